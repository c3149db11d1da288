// The virtual network: the app in one subnet, private endpoints of what it keeps data in, in the other.

param name string
param location string
param tags { *: string }
param storageAccountName string
param keyVaultName string

@description('Whether there is a key vault.')
param hasKeyVault bool

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
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

resource endpoints 'Microsoft.Network/virtualNetworks/subnets@2025-05-01' existing = {
  parent: network
  name: 'endpoints'
}

module blobs 'private-endpoint.bicep' = {
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: resourceId('Microsoft.Storage/storageAccounts', storageAccountName)
    groupId: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
}

module tables 'private-endpoint.bicep' = {
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: resourceId('Microsoft.Storage/storageAccounts', storageAccountName)
    groupId: 'table'
    zoneName: 'privatelink.table.${environment().suffixes.storage}'
  }
}

module secrets 'private-endpoint.bicep' = if (hasKeyVault) {
  params: {
    location: location
    tags: tags
    networkId: network.id
    subnetId: endpoints.id
    targetId: resourceId('Microsoft.KeyVault/vaults', keyVaultName)
    groupId: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
  }
}
