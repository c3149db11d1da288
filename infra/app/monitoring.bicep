// The logs: Application Insights on a workspace. Nobody can write without a role.

param workspaceName string
param applicationInsightsName string
param location string
param tags { *: string }
param retentionDays int

@description('How many GB a new workspace takes in a day. -1: no limit.')
param dailyCapGB int

@description('A workspace that is there already. Empty: a new one.')
param existingWorkspaceId string

var workspaceId = empty(existingWorkspaceId) ? workspace!.id : existingWorkspaceId

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    retentionInDays: retentionDays
    sku: {
      name: 'PerGB2018'
    }
    workspaceCapping: {
      dailyQuotaGb: dailyCapGB
    }
    features: {
      disableLocalAuth: true
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    DisableLocalAuth: true
  }
}

output workspaceId string = workspaceId
