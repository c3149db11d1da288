// The Web PubSub service, and what it logs. Its identity is user-assigned: only then the template knows the client id
// of the tokens that it sends, which App Service authentication wants to see on its list.

param name string
param location string
param tags { *: string }
param sku string
param units int

@description('The identity that proves the service. Nothing else may have it.')
param identityName string

@description('What proves events. Access keys exist only where they sign.')
@allowed([
  'managedIdentity'
  'accessKey'
])
param eventAuthentication string

@description('The Log Analytics workspace that gets the logs.')
param workspaceId string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'WebPubSub'
  sku: {
    name: sku
    capacity: units
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    disableLocalAuth: eventAuthentication != 'accessKey'
    // Clients connect from the internet, and the app reaches the service there, too.
    publicNetworkAccess: 'Enabled'
    // The service writes what is switched on here, and the setting below sends it on.
    resourceLogConfiguration: {
      categories: [
        {
          name: 'ConnectivityLogs'
          enabled: 'true'
        }
        {
          name: 'HttpRequestLogs'
          enabled: 'true'
        }
        {
          name: 'MessagingLogs'
          enabled: 'false'
        }
      ]
    }
  }
}

// Who connected and why not, and what was asked of the REST API. Not MessagingLogs: a row a message costs the most.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: service
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'ConnectivityLogs'
        enabled: true
      }
      {
        category: 'HttpRequestLogs'
        enabled: true
      }
    ]
  }
}

output endpoint string = 'https://${service.properties.hostName}'
