// What the app needs to send messages and to let clients in: a role on the service alone.

param principalId string
param webPubSubName string

var roles = loadJsonContent('../roles.json')

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource broadcasts 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(webPubSub.id, principalId, roles['Web PubSub Service Owner'])
  scope: webPubSub
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Web PubSub Service Owner']
    )
  }
}
