// What the app runs with, and App Service authentication. Each write replaces the whole set, so this is the only place.

param functionAppName string
param identityClientId string
param applicationInsightsName string
param storageAccountName string
param webPubSubName string
param hubName string

@description('What proves events; it alone decides which proof the app demands.')
@allowed([
  'managedIdentity'
  'accessKey'
])
param eventAuthentication string

@description('The reference to the connection strings in the key vault, where access keys prove events.')
param connectionStringReference string

@description('The Entra application that the service asks tokens for, and that signs users in.')
param applicationClientId string

@description('The client id of the service\'s identity.')
param callerClientId string

@description('The object id of the service\'s identity.')
param callerPrincipalId string

@description('Client ids of other applications that sign users in for this one.')
param clientApplications string[]

param clientAuth string
param webhookPath string

@description('What the deployer chose. What is set below has the last word.')
param chosenSettings { *: string }

var signsUsersIn = clientAuth == 'app_service'
var issuer = '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'

// The name that App Service knows: it proves itself with the app's identity, where others have a secret.
var assertionSettingName = 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

// Exactly one proof in each mode. With both, each event would need both; with none the app refuses to start.
var proof = eventAuthentication == 'accessKey'
  ? {
      WebPubSubConnectionString: connectionStringReference
    }
  : {
      WEBHOOK_TENANT_ID: tenant().tenantId
      WEBHOOK_APP_CLIENT_ID: applicationClientId
      WEBHOOK_CALLER_OBJECT_IDS: callerPrincipalId
    }

var signIn = signsUsersIn
  ? {
      '${assertionSettingName}': identityClientId
    }
  : {}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: union(chosenSettings, proof, signIn, {
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    AZURE_CLIENT_ID: identityClientId
    AZURE_AUTHORITY_HOST: environment().authentication.loginEndpoint
    // Without it each process tries the credentials of other environments first.
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    // The host builds URIs from it where it starts before it has read the ones below.
    AzureWebJobsStorage__accountName: storageAccountName
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    WebPubSubConnectionString__serviceUri: 'https://${webPubSub.properties.hostName}'
    WebPubSubHub: hubName
    CLIENT_AUTH: clientAuth
  })
}

// Requests without a user pass: health and the page are for anyone, and negotiate answers 401 by itself. The service's
// requests are left alone: its OPTIONS may come without a token, and the app checks the tokens of its events.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: signsUsersIn
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
      excludedPaths: [
        webhookPath
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: signsUsersIn
      ? {
          azureActiveDirectory: {
            enabled: true
            registration: {
              openIdIssuer: issuer
              clientId: applicationClientId
              clientSecretSettingName: assertionSettingName
            }
            validation: {
              allowedAudiences: [
                applicationClientId
              ]
              // A valid token of a caller that is not listed gets 403 before the app sees it. The service's token is
              // valid here, as it is for the same application, so its identity is listed. No list of principals: it
              // would be demanded in addition, of users as well.
              defaultAuthorizationPolicy: {
                allowedApplications: concat([applicationClientId, callerClientId], clientApplications)
              }
            }
          }
        }
      : {}
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
  // One change of the site at a time.
  dependsOn: [
    settings
  ]
}
