// The virtual network: the app in one subnet, private endpoints of what it keeps data in, in the other.

param name string
param location string
param tags object
param storageAccountId string

@description('The key vault. Empty: there is none.')
param keyVaultId string

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.0.0.0/16'
      ]
    }
    subnets: [
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.1.0/24'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
      {
        name: 'app'
        properties: {
          addressPrefix: '10.0.2.0/24'
          // Web PubSub and Entra ID are reached over the internet.
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'Microsoft.App.environments'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
    ]
  }
}

resource endpoints 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'endpoints'
}

resource app 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'app'
}

module blobs 'private-endpoint.bicep' = {
  name: 'private-endpoint-blob'
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: storageAccountId
    groupId: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
}

module tables 'private-endpoint.bicep' = {
  name: 'private-endpoint-table'
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: storageAccountId
    groupId: 'table'
    zoneName: 'privatelink.table.${environment().suffixes.storage}'
  }
}

module secrets 'private-endpoint.bicep' = if (!empty(keyVaultId)) {
  name: 'private-endpoint-vault'
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: keyVaultId
    groupId: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
  }
}

output appSubnetId string = app.id
