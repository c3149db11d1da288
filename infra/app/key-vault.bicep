// The access keys of Web PubSub, for the app alone. Only where events are proven by signatures.

param name string
param location string
param tags { *: string }

@description('Whether it is reached through a private endpoint only.')
param isPrivate bool

param webPubSubName string
param readerPrincipalId string

var roles = loadJsonContent('../roles.json')

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

// Both keys: the service signs with both, so either one can be regenerated without an event being refused.
resource connectionStrings 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = {
  parent: vault
  name: 'web-pubsub-connection-strings'
  properties: {
    value: '${webPubSub.listKeys().primaryConnectionString},${webPubSub.listKeys().secondaryConnectionString}'
  }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, readerPrincipalId, roles['Key Vault Secrets User'])
  scope: vault
  properties: {
    principalId: readerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
  }
}

// Not the value: what an app setting says to get it.
output reference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/${connectionStrings.name})'
