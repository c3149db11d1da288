// What the app runs with, and App Service authentication. Each write replaces the whole set, so this is the only place.

param functionAppName string
param identityClientId string
param applicationInsightsName string
param storageAccountName string
param webPubSubName string
param hubName string

@description('The reference to the connection strings in the key vault. Empty: tokens prove events.')
param connectionStringReference string

@description('The Entra application that the service asks tokens for, and that signs users in.')
param applicationClientId string

param clientAuth string
param webhookPath string

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

resource site 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

// Exactly one proof in each mode. With both, each event would need both; with none the app refuses to start.
var proof = empty(connectionStringReference) ? {
  AZURE_AUTHORITY_HOST: environment().authentication.loginEndpoint
  WEBHOOK_TENANT_ID: tenant().tenantId
  WEBHOOK_APP_CLIENT_ID: applicationClientId
  WEBHOOK_CALLER_OBJECT_IDS: webPubSub.identity.principalId
} : {
  WebPubSubConnectionString: connectionStringReference
}

var signIn = signsUsersIn ? {
  '${assertionSettingName}': identityClientId
} : {}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: union(proof, signIn, {
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    AZURE_CLIENT_ID: identityClientId
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    WebPubSubConnectionString__serviceUri: 'https://${webPubSub.properties.hostName}'
    WebPubSubHub: hubName
    CLIENT_AUTH: clientAuth
  })
}

// Requests without a user pass: health and the page are for anyone, and negotiate answers 401 by itself. The service's
// requests are left alone: its OPTIONS may come without a token, and the app checks the tokens of its events.
resource authentication 'Microsoft.Web/sites/config@2024-11-01' = {
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
    identityProviders: signsUsersIn ? {
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
          defaultAuthorizationPolicy: {
            allowedApplications: [
              applicationClientId
            ]
          }
        }
      }
    } : {}
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
