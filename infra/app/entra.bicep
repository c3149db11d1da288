// The Entra application: what the service asks tokens for, and what signs users in. It has no secret: as an audience it
// needs none, and for the sign-in the app's own identity vouches for it.
extension microsoftGraphV1

param name string
param functionAppHostName string
param identityPrincipalId string

@description('The object id of the service\'s identity.')
param callerPrincipalId string

@description('Client ids of applications that may ask for tokens without a consent of each user.')
param clientApplications string[]

@description('Whether only users who are assigned may sign in.')
param usersAssignedOnly bool

// Both ids must stay the same in every deployment.
var scopeId = guid(name, 'access')
var eventRoleId = guid(name, 'events')

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: name
  displayName: name
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: scopeId
        value: 'access'
        type: 'User'
        isEnabled: true
        adminConsentDisplayName: 'Chat as the user'
        adminConsentDescription: 'Connect, read and write in the name of the user who signed in.'
        userConsentDisplayName: 'Chat as you'
        userConsentDescription: 'Connect, read and write in your name.'
      }
    ]
    preAuthorizedApplications: [
      for clientApplication in clientApplications: {
        appId: clientApplication
        delegatedPermissionIds: [
          scopeId
        ]
      }
    ]
  }
  appRoles: [
    {
      id: eventRoleId
      value: 'Events.Send'
      displayName: 'Send events'
      description: 'Send the events of Web PubSub to the app.'
      allowedMemberTypes: [
        'Application'
      ]
      isEnabled: true
    }
  ]
  web: {
    redirectUris: [
      'https://${functionAppHostName}/.auth/login/aad/callback'
    ]
    implicitGrantSettings: {
      enableAccessTokenIssuance: false
      enableIdTokenIssuance: true
    }
  }
}

// Without it no token can be issued for the application.
resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
  appRoleAssignmentRequired: usersAssignedOnly
}

// Where an assignment is required, the service needs one too, or it gets no token. Assigning takes a right of its own.
resource caller 'Microsoft.Graph/appRoleAssignedTo@v1.0' = if (usersAssignedOnly) {
  appRoleId: eventRoleId
  principalId: callerPrincipalId
  resourceId: servicePrincipal.id
}

resource credential 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = {
  name: '${application.uniqueName}/function-app'
  audiences: [
    'api://AzureADTokenExchange'
  ]
  issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
  subject: identityPrincipalId
}

output clientId string = application.appId
