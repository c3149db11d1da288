// The Web PubSub service. Its identity is its own, so that nobody else can hold a token in its name.

param name string
param location string
param tags object
param sku string
param units int

@description('Whether access keys exist. Only with them does the service sign events.')
param allowsAccessKeys bool

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
    type: 'SystemAssigned'
  }
  properties: {
    disableLocalAuth: !allowsAccessKeys
    // Clients connect from the internet, and the app reaches the service there, too.
    publicNetworkAccess: 'Enabled'
  }
}

output name string = service.name
output endpoint string = 'https://${service.properties.hostName}'
output principalId string = service.identity.principalId
