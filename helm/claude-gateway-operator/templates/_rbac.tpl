{{- /*
What the operator may do in the namespaces that it looks after: as a ClusterRole, or as a Role in each. A verb that is
not here is not used. `patch` is server-side apply, which asks for `create` too where the object is not there yet.
*/ -}}
{{- define "claude-gateway-operator.rules" -}}
# Its own kinds. It never writes one: everything it has to say is in their status.
- apiGroups: [claude-gateway.dev]
  resources: [gatewaydeployments, providerbindings, gatewaypolicies]
  verbs: [get, list, watch] # list, watch: to hear of changes; get: the live object, before anything is decided by it
- apiGroups: [claude-gateway.dev]
  resources: [gatewaydeployments/status, providerbindings/status, gatewaypolicies/status]
  verbs: [patch] # conditions
# Credentials that bindings refer to, developer keys, and the gateways' configuration.
- apiGroups: [""]
  resources: [secrets]
  verbs:
  - get # those that a gateway needs, by name
  - list # developer and admin keys, by type and label; metadata of the others
  - watch # metadata alone: a credential was rotated, a key revoked
  - create # configuration and signing keys
  - patch # configuration, by server-side apply
  - update # signing keys, with the version that was read: two writers never overwrite each other
  - delete # parts of a configuration that has become smaller
# Certificates of authorities that gateways refer to.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch] # get: by name; list, watch: metadata alone
# Children of a gateway. get, list, watch: what is there, so that only a difference is written and drift is repaired;
# create, patch: server-side apply; delete: what another spec had asked for. Owned children are deleted by Kubernetes
# together with their gateway, so nothing needs `deletecollection`, nor `update`.
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete] # delete: the metrics Service, and the account when the spec names another
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch] # never delete: it holds data
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch] # never delete: it serves
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete] # delete: spec.autoscaling was taken away
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete] # delete: another exposure.type; networkPolicy.enabled: false
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete] # delete: another exposure.type
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch]
# The gateways' pods.
- apiGroups: [""]
  resources: [pods]
  verbs:
  - list # which there are, where, and what keeps them from being ready
  - watch
  - patch # one annotation, so that the kubelet refreshes the mounted configuration at once; see admission-policy.yaml
# What a person should notice.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
