// Who is told when something fails, and of what. docs/operate/monitor.md has the queries and what to do.

param name string
param location string
param tags { *: string }
param email string
param applicationInsightsName string
param storageAccountName string
param webPubSubName string

// Each is a query over five minutes; one row is enough. The texts are those of the app's log.
var logAlerts = [
  {
    name: 'failed-events'
    description: 'The app failed on events: the service tries again three times, then the sender sees a failure.'
    severity: 1
    query: 'requests | where name == "eventhandler" and toint(resultCode) >= 500'
  }
  {
    name: 'refused-events'
    description: 'The app refused events that it could not believe, or the service could not get its consent.'
    severity: 2
    query: 'traces | where message has "Refused an event" or message has "Refused the validation"'
  }
  {
    name: 'outbox-not-draining'
    description: 'Stored messages wait for their broadcast, or were given up.'
    severity: 2
    query: 'traces | where message has "outbox waits" or message has "is never broadcast"'
  }
]

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' existing = {
  parent: storage
  name: 'default'
}

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'webpubsub'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logs 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in logAlerts: {
    name: '${applicationInsightsName}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.name
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [
        applicationInsights.id
      ]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT5M'
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: true
      // The tables of the logs appear with their first rows.
      skipQueryValidation: true
      actions: {
        actionGroups: [
          operators.id
        ]
      }
    }
  }
]

resource connections 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${webPubSubName}-connection-quota'
  location: 'global'
  tags: tags
  properties: {
    description: 'Four of five connections that the units allow are open: the next clients are turned away.'
    severity: 2
    enabled: true
    scopes: [
      webPubSub.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'utilization'
          metricNamespace: 'Microsoft.SignalRService/WebPubSub'
          metricName: 'ConnectionQuotaUtilization'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 80
        }
      ]
    }
    actions: [
      {
        actionGroupId: operators.id
      }
    ]
  }
}

resource throttling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${storageAccountName}-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'Table Storage slows the app down: a room takes about 2,000 rows a second.'
    severity: 2
    enabled: true
    scopes: [
      tables.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricNamespace: 'Microsoft.Storage/storageAccounts/tableServices'
          metricName: 'Transactions'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: [
                'ClientAccountBandwidthThrottlingError'
                'ClientAccountRequestThrottlingError'
                'ClientThrottlingError'
                'ServerBusyError'
                'SuccessWithThrottling'
              ]
            }
          ]
        }
      ]
    }
    actions: [
      {
        actionGroupId: operators.id
      }
    ]
  }
}
