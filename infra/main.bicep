// The whole system, from nothing: `azd up`. docs/deploy.md explains the choices.
//
// The order matters twice. Roles come before the app that uses them, because a role takes minutes to be in effect. And
// Web PubSub comes before the app's settings, which pin its identity, while its hub, which needs the app's host name,
// comes last. Azure Resource Manager does not call the URL of an event handler; the service asks it before the first event.
targetScope = 'subscription'

@description('The azd environment; part of the names of all resources.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region of all resources. Flex Consumption is not in every one.')
@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('More tags for every resource.')
param tags object = {}

@description('Who deploys: gets the roles to run the app on a laptop against these resources. None when empty.')
param principalId string = ''

@description('What the one who deploys is; azd knows it.')
@allowed([
  'Group'
  'ServicePrincipal'
  'User'
])
param principalType string = 'User'

@description('Whether the one who deploys gets these roles.')
param developerRoles bool = true

@description('The hub, in the service and in the app.')
param hubName string = 'chat'

@description('Web PubSub: Free_F1 has 20 connections; the others 1,000 a unit.')
@allowed([
  'Free_F1'
  'Standard_S1'
  'Premium_P1'
])
param webPubSubSku string = 'Free_F1'

@description('Web PubSub units: 1 with Free_F1; else 1 to 10, 20, 30 … 100.')
@minValue(1)
@maxValue(100)
param webPubSubUnits int = 1

@description('The Python that runs the app. Azure accepts a wrong version and never starts the app, hence the list.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param pythonVersion string = '3.12'

@description('The memory of one instance of the app, in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('The most instances of the app.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run. One or more spare the first user a cold start; they cost by the hour.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int = 0

@description('How many requests one instance works on at a time; the handlers wait for storage and service most of it.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('How many days logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('What proves events: a token of the service\'s managed identity (no key anywhere), or its access keys.')
@allowed([
  'managedIdentity'
  'accessKey'
])
param eventAuthentication string = 'managedIdentity'

@description('Who clients are: whom App Service authentication signs in, servers with a function key, or anyone.')
@allowed([
  'app_service'
  'function_key'
  'anonymous'
])
param clientAuth string = 'app_service'

@description('The client id of an existing Entra application, for those who may not register one.')
param webhookAppClientId string = ''

@description('Whether storage and keys are reached through private endpoints only.')
param vnetEnabled bool = false

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, {
  'azd-env-name': environmentName
})

// The route of function_app.py. Without {event}: names of events may hold what paths may not, and ce-type names it.
var webhookPath = '/api/eventhandler'

var usesAccessKey = eventAuthentication == 'accessKey'
var signsUsersIn = clientAuth == 'app_service'
var demoPath = signsUsersIn ? '/.auth/login/aad?post_login_redirect_uri=/api/demo/' : '/api/demo/'
var registersApplication = empty(webhookAppClientId) && (signsUsersIn || !usesAccessKey)
var applicationClientId = registersApplication ? application!.outputs.clientId : webhookAppClientId

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}'
  location: location
  tags: allTags
}

// 1. What does not depend on the app.

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: allTags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: '${abbreviations.storageStorageAccounts}${token}'
    location: location
    tags: allTags
    isPrivate: vnetEnabled
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    applicationInsightsName: '${abbreviations.insightsComponents}${token}'
    location: location
    tags: allTags
    retentionDays: logRetentionDays
  }
}

module webPubSub 'app/web-pubsub.bicep' = {
  name: 'web-pubsub'
  scope: group
  params: {
    name: '${abbreviations.signalRServiceWebPubSub}${token}'
    location: location
    tags: allTags
    sku: webPubSubSku
    units: webPubSubUnits
    allowsAccessKeys: usesAccessKey
  }
}

// 2. Who may do what, before anything needs it.

module appRoles 'app/app-roles.bicep' = {
  name: 'app-roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storage.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    webPubSubName: webPubSub.outputs.name
  }
}

module keyVault 'app/key-vault.bicep' = if (usesAccessKey) {
  name: 'key-vault'
  scope: group
  params: {
    name: '${abbreviations.keyVaultVaults}${token}'
    location: location
    tags: allTags
    isPrivate: vnetEnabled
    webPubSubName: webPubSub.outputs.name
    readerPrincipalId: identity.outputs.principalId
  }
}

module developer 'app/developer-roles.bicep' = if (developerRoles && !empty(principalId)) {
  name: 'developer-roles'
  scope: group
  params: {
    principalId: principalId
    principalType: principalType
    storageAccountName: storage.outputs.name
    webPubSubName: webPubSub.outputs.name
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${token}'
    location: location
    tags: allTags
    storageAccountId: storage.outputs.id
    keyVaultId: usesAccessKey ? keyVault!.outputs.id : ''
  }
}

// 3. The app, without settings: its host name is needed for the application that signs users in.

module functionApp 'app/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    name: '${abbreviations.webSitesFunctions}${token}'
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: allTags
    serviceName: 'api'
    identityId: identity.outputs.id
    packageContainerUrl: storage.outputs.packageContainerUrl
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    httpConcurrency: httpConcurrency
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
  }
  dependsOn: [
    appRoles
  ]
}

module application 'app/entra.bicep' = if (registersApplication) {
  name: 'entra'
  scope: group
  params: {
    name: 'webpubsub-${environmentName}-${token}'
    functionAppHostName: functionApp.outputs.hostName
    identityPrincipalId: identity.outputs.principalId
  }
}

// 4. The settings, with whom to trust; then the hub, which may send as soon as it is there.

module appSettings 'app/app-settings.bicep' = {
  name: 'app-settings'
  scope: group
  params: {
    functionAppName: functionApp.outputs.name
    identityClientId: identity.outputs.clientId
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    storageAccountName: storage.outputs.name
    webPubSubName: webPubSub.outputs.name
    hubName: hubName
    connectionStringReference: usesAccessKey ? keyVault!.outputs.reference : ''
    applicationClientId: applicationClientId
    clientAuth: clientAuth
    webhookPath: webhookPath
  }
}

module hub 'app/hub.bicep' = {
  name: 'hub'
  scope: group
  params: {
    name: hubName
    webPubSubName: webPubSub.outputs.name
    eventHandlerUrl: '${functionApp.outputs.url}${webhookPath}'
    tokenResource: usesAccessKey ? '' : applicationClientId
  }
  dependsOn: [
    appSettings
  ]
}

// azd keeps these in .azure/<environment>/.env: no secret may be among them.

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_API_NAME string = functionApp.outputs.name
output SERVICE_API_URI string = functionApp.outputs.url
output EVENT_HANDLER_URL string = '${functionApp.outputs.url}${webhookPath}'
output DEMO_URL string = '${functionApp.outputs.url}${demoPath}'
output WEB_PUBSUB_NAME string = webPubSub.outputs.name
output WEB_PUBSUB_ENDPOINT string = webPubSub.outputs.endpoint
output WEB_PUBSUB_HUB string = hubName
output WEB_PUBSUB_PRINCIPAL_ID string = webPubSub.outputs.principalId
output EVENT_AUTHENTICATION string = eventAuthentication
output APPLICATION_CLIENT_ID string = applicationClientId
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
output STORAGE_TABLE_ENDPOINT string = storage.outputs.tableEndpoint
