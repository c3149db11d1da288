// The hub with its event handler. Azure Resource Manager does not call the URL: the app may be without code yet, and
// the service asks again, after a minute at the latest.

param name string
param webPubSubName string
param eventHandlerUrl string

@description('What proves events; it alone decides whether the service sends tokens.')
@allowed([
  'managedIdentity'
  'accessKey'
])
param eventAuthentication string

@description('The application that tokens are asked for.')
param applicationClientId string

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource hub 'Microsoft.SignalRService/webPubSub/hubs@2024-03-01' = {
  parent: webPubSub
  name: name
  properties: {
    anonymousConnectPolicy: 'deny'
    // The first one that matches an event gets it, so more special ones go above.
    eventHandlers: [
      {
        urlTemplate: eventHandlerUrl
        systemEvents: [
          'connect'
          'connected'
          'disconnected'
        ]
        userEventPattern: '*'
        // With access keys the service signs events, and sends no token.
        auth: eventAuthentication == 'accessKey'
          ? {
              type: 'None'
            }
          : {
              type: 'ManagedIdentity'
              managedIdentity: {
                resource: applicationClientId
              }
            }
      }
    ]
  }
}
