// The whole system, from nothing: `azd up`. docs/operate/choices.md explains the choices.
//
// The order matters twice. Roles come as early as they can, because a role takes minutes to be in effect. And the hub
// comes last: it needs the app's host name, and it may send as soon as it is there. Azure Resource Manager does not
// call the URL of an event handler; the service asks it before the first event.
//
// Names are made here and passed to every module that needs one, so that `azd provision --preview` can predict what
// each module does. The ids of new identities are the only names that nobody can know before.
targetScope = 'subscription'

@description('The azd environment; part of the names of all resources.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region of all resources. Flex Consumption is not in every one; infra/hooks/preprovision.py looks.')
@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('More tags for every resource.')
param tags { *: string } = {}

@description('The principal that deploys: gets the roles to run the app on a laptop. None when empty.')
param principalId string = ''

@description('The kind of principal that deploys; azd knows it.')
@allowed([
  'Group'
  'ServicePrincipal'
  'User'
])
param principalType string = 'User'

@description('Whether the principal that deploys gets these roles.')
param developerRoles bool = true

@description('The hub, in the service and in the app.')
param hubName string = 'chat'

@description('Web PubSub: Free_F1 ends at 20 connections and at about 20,000 messages a day; others: 1,000 a unit.')
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
  '3.14'
])
param pythonVersion string = '3.13'

@description('The memory of one instance of the app, in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('The most instances of the app.')
@minValue(1)
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

@description('The room of a client that names none.')
@minLength(1)
param defaultRoom string = 'lobby'

@description('Whether the app serves the demo page.')
param demoPage bool = true

@description('Refuse events that were sent longer ago than this, in seconds. 0: any age.')
@minValue(0)
@maxValue(86400)
param maxEventAgeSeconds int = 0

@description('The largest message, in bytes.')
@minValue(1)
@maxValue(716800)
param maxMessageBytes int = 65536

@description('How many messages one user may send in a second. 0: no limit.')
@minValue(0)
@maxValue(1000)
param maxMessagesPerSecond int = 20

@description('After how many days messages are deleted. 0: never.')
@minValue(0)
param messageRetentionDays int = 0

@description('Whether rooms are told who comes and goes.')
param presence bool = true

@description('Whether there are private rooms: those whose names begin with @.')
param privateRooms bool = true

@description('Origins of pages that may call the app, separated by commas. Empty: only its own.')
param corsOrigins string = ''

@description('More settings of the app, by name. The names that this template sets itself are taken.')
param appSettings { *: string } = {}

@description('An existing Log Analytics workspace, by its resource id. Empty: a new one.')
param logWorkspaceId string = ''

@description('How many days a new workspace keeps logs.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('How many GB a new workspace takes in a day; the rest of the day is lost. -1: no limit.')
@minValue(-1)
param logDailyCapGB int = 5

@description('Who gets an email when something fails. Empty: nobody, and no alerts.')
param alertEmail string = ''

@description('What proves events: a token of the service\'s managed identity (no key anywhere), or its access keys.')
@allowed([
  'managedIdentity'
  'accessKey'
])
param eventAuthentication string = 'managedIdentity'

@description('Who clients are: users that App Service signs in, servers with a function key, or anyone.')
@allowed([
  'app_service'
  'function_key'
  'anonymous'
])
param clientAuth string = 'app_service'

@description('The client id of an existing Entra application, for those who may not register one.')
param webhookAppClientId string = ''

@description('Client ids of other applications that sign users in for this one, separated by commas.')
param clientAppIds string = ''

@description('Whether only users who are assigned to the application may sign in. Otherwise the whole tenant may.')
param usersAssignedOnly bool = false

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
// With a function key there is nobody to show it to: the page has none.
var showsDemo = demoPage && clientAuth != 'function_key'
var demoPath = signsUsersIn ? '/.auth/login/aad?post_login_redirect_uri=/api/demo/' : '/api/demo/'
var registersApplication = empty(webhookAppClientId) && (signsUsersIn || !usesAccessKey)
var applicationClientId = registersApplication ? application!.outputs.clientId : webhookAppClientId
var allowedOrigins = empty(corsOrigins) ? [] : split(replace(corsOrigins, ' ', ''), ',')
var clientApplications = empty(clientAppIds) ? [] : split(replace(clientAppIds, ' ', ''), ',')

var identityName = '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
var eventIdentityName = '${abbreviations.managedIdentityUserAssignedIdentities}events-${token}'
var storageAccountName = '${abbreviations.storageStorageAccounts}${token}'
var applicationInsightsName = '${abbreviations.insightsComponents}${token}'
var webPubSubName = '${abbreviations.signalRServiceWebPubSub}${token}'
var keyVaultName = '${abbreviations.keyVaultVaults}${token}'
var networkName = '${abbreviations.networkVirtualNetworks}${token}'
var functionAppName = '${abbreviations.webSitesFunctions}${token}'

// What the deployer chose, as the app reads it. Where the template says nothing, the app's own default holds.
var retention = messageRetentionDays == 0 ? {} : { MESSAGE_RETENTION_DAYS: string(messageRetentionDays) }
var chosenSettings = union(appSettings, retention, {
  DEFAULT_ROOM: defaultRoom
  DEMO_PAGE: demoPage ? 'true' : 'false'
  MAX_EVENT_AGE_SECONDS: string(maxEventAgeSeconds)
  MAX_MESSAGE_BYTES: string(maxMessageBytes)
  MAX_MESSAGES_PER_SECOND: string(maxMessagesPerSecond)
  PRESENCE: presence ? 'true' : 'false'
  PRIVATE_ROOMS: privateRooms ? 'true' : 'false'
})

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}'
  location: location
  tags: allTags
}

// 1. What the roles are about, and the roles: they need the most time.

module identity 'app/identity.bicep' = {
  scope: group
  params: {
    name: identityName
    location: location
    tags: allTags
  }
}

// Web PubSub proves itself with this one. Nothing else has it, so nobody else can hold a token in its name.
module eventIdentity 'app/identity.bicep' = {
  scope: group
  params: {
    name: eventIdentityName
    location: location
    tags: allTags
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    existingWorkspaceId: logWorkspaceId
    applicationInsightsName: applicationInsightsName
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyCapGB: logDailyCapGB
  }
}

module storage 'app/storage.bicep' = {
  scope: group
  params: {
    name: storageAccountName
    location: location
    tags: allTags
    isPrivate: vnetEnabled
    workspaceId: monitoring.outputs.workspaceId
  }
}

// The name of an assignment follows from the principal's id, which Azure makes up: that of a deleted identity never
// collides, and in a preview these are the ones that stay unknown.
module appRoles 'app/app-roles.bicep' = {
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storageAccountName
    applicationInsightsName: applicationInsightsName
  }
  dependsOn: [
    storage
    monitoring
  ]
}

// 2. The service, and the rest that does not depend on the app.

module webPubSub 'app/web-pubsub.bicep' = {
  scope: group
  params: {
    name: webPubSubName
    location: location
    tags: allTags
    sku: webPubSubSku
    units: webPubSubUnits
    identityName: eventIdentityName
    eventAuthentication: eventAuthentication
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [
    eventIdentity
  ]
}

module serviceRole 'app/service-role.bicep' = {
  scope: group
  params: {
    principalId: identity.outputs.principalId
    webPubSubName: webPubSubName
  }
  dependsOn: [
    webPubSub
  ]
}

module keyVault 'app/key-vault.bicep' = if (usesAccessKey) {
  scope: group
  params: {
    name: keyVaultName
    location: location
    tags: allTags
    isPrivate: vnetEnabled
    webPubSubName: webPubSubName
    readerPrincipalId: identity.outputs.principalId
  }
  dependsOn: [
    webPubSub
  ]
}

module developer 'app/developer-roles.bicep' = if (developerRoles && !empty(principalId)) {
  scope: group
  params: {
    principalId: principalId
    principalType: principalType
    storageAccountName: storageAccountName
    webPubSubName: webPubSubName
  }
  dependsOn: [
    storage
    webPubSub
  ]
}

module network 'app/network.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    name: networkName
    location: location
    tags: allTags
    storageAccountName: storageAccountName
    keyVaultName: keyVaultName
    hasKeyVault: usesAccessKey
  }
  dependsOn: [
    storage
    keyVault
  ]
}

// 3. The app, without settings: its host name is needed for the application that signs users in.

module functionApp 'app/function-app.bicep' = {
  scope: group
  params: {
    name: functionAppName
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: allTags
    serviceName: 'api'
    identityName: identityName
    packageContainerUrl: storage.outputs.packageContainerUrl
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    httpConcurrency: httpConcurrency
    allowedOrigins: allowedOrigins
    isPrivate: vnetEnabled
    networkName: networkName
  }
  dependsOn: [
    appRoles
    network
    serviceRole
  ]
}

module application 'app/entra.bicep' = if (registersApplication) {
  scope: group
  params: {
    name: 'webpubsub-${environmentName}-${token}'
    functionAppHostName: functionApp.outputs.hostName
    identityPrincipalId: identity.outputs.principalId
    callerPrincipalId: eventIdentity.outputs.principalId
    clientApplications: clientApplications
    usersAssignedOnly: usersAssignedOnly
  }
}

// 4. The settings, with whom to trust; then the hub, which may send as soon as it is there.

module settings 'app/app-settings.bicep' = {
  scope: group
  params: {
    functionAppName: functionAppName
    identityClientId: identity.outputs.clientId
    applicationInsightsName: applicationInsightsName
    storageAccountName: storageAccountName
    webPubSubName: webPubSubName
    hubName: hubName
    eventAuthentication: eventAuthentication
    connectionStringReference: usesAccessKey ? keyVault!.outputs.reference : ''
    applicationClientId: applicationClientId
    callerClientId: eventIdentity.outputs.clientId
    callerPrincipalId: eventIdentity.outputs.principalId
    clientApplications: clientApplications
    clientAuth: clientAuth
    webhookPath: webhookPath
    chosenSettings: chosenSettings
  }
  dependsOn: [
    functionApp
  ]
}

module hub 'app/hub.bicep' = {
  scope: group
  params: {
    name: hubName
    webPubSubName: webPubSubName
    eventHandlerUrl: '${functionApp.outputs.url}${webhookPath}'
    eventAuthentication: eventAuthentication
    applicationClientId: applicationClientId
  }
  dependsOn: [
    settings
  ]
}

// 5. Who is told when it fails.

module alerts 'app/alerts.bicep' = if (!empty(alertEmail)) {
  scope: group
  params: {
    name: '${abbreviations.insightsActionGroups}${token}'
    location: location
    tags: allTags
    email: alertEmail
    applicationInsightsName: applicationInsightsName
    storageAccountName: storageAccountName
    webPubSubName: webPubSubName
  }
  dependsOn: [
    monitoring
    storage
    webPubSub
  ]
}

// azd keeps these in .azure/<environment>/.env: no secret may be among them.

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_RESOURCE_MANAGER string = environment().resourceManager
output SERVICE_API_NAME string = functionAppName
output SERVICE_API_URI string = functionApp.outputs.url
output EVENT_HANDLER_URL string = '${functionApp.outputs.url}${webhookPath}'
output DEMO_URL string = showsDemo ? '${functionApp.outputs.url}${demoPath}' : ''
output WEB_PUBSUB_NAME string = webPubSubName
output WEB_PUBSUB_ENDPOINT string = webPubSub.outputs.endpoint
output WEB_PUBSUB_HUB string = hubName
output WEB_PUBSUB_PRINCIPAL_ID string = eventIdentity.outputs.principalId
output APP_PRINCIPAL_ID string = identity.outputs.principalId
output CLIENT_AUTH string = clientAuth
output EVENT_AUTHENTICATION string = eventAuthentication
output APPLICATION_CLIENT_ID string = applicationClientId
output STORAGE_ACCOUNT_NAME string = storageAccountName
output STORAGE_ACCOUNT_ID string = storage.outputs.id
output STORAGE_TABLE_ENDPOINT string = storage.outputs.tableEndpoint
