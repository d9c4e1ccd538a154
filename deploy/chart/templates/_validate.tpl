{{/*
What a schema cannot say: each refusal is a sentence with what was found and what to do. Included by validate.yaml.
Takes $.
*/}}
{{- define "sentinel.validate" -}}
{{- if not .Values.cluster }}
{{- fail "cluster: empty. Give this cluster a name; it becomes a label of every page, e.g. --set cluster=prod-eu1." }}
{{- end }}
{{- if not .Values.tenants }}
{{- fail "tenants: empty. List every tenant of the cluster, each with name and namespaces: a tenant that is not listed is neither watched nor asked about." }}
{{- end }}
{{- if not .Values.image.repository }}
{{- fail "image.repository: empty. No image is published: build the Dockerfile, push it to your registry and name it here." }}
{{- end }}
{{- if eq .Values.kind "DaemonSet" }}
{{- fail "kind: DaemonSet is not possible yet: without a lease among the pods of a tenant it would ask every question once per node. Use Deployment." }}
{{- end }}
{{- if and .Values.paging.direct (not .Values.alertmanagers) }}
{{- fail "paging.direct: true, but alertmanagers is empty. List the Alertmanager URLs to push to, or set paging.direct to false." }}
{{- end }}
{{- if and .Values.paging.direct .Values.networkPolicy.enabled }}
{{- fail "paging.direct and networkPolicy.enabled contradict each other: the policy keeps the tenants, and so their sentinels, away from Alertmanager. Choose one." }}
{{- end }}
{{- if le (float64 .Values.timeScale) 0.0 }}
{{- fail (printf "timeScale: %v is not above 0. Leave it at 1 outside tests." .Values.timeScale) }}
{{- end }}
{{- include "sentinel.validateTenants" . }}
{{- include "sentinel.validateIdentities" . }}
{{- end }}

{{- define "sentinel.validateTenants" -}}
{{- $system := include "sentinel.system" . | fromJsonArray }}
{{- $names := dict }}
{{- $owners := dict }}
{{- range $i, $tenant := .Values.tenants }}
{{- if hasKey $names .name }}
{{- fail (printf "tenants[%d].name: %q is listed twice. Put all namespaces of a tenant into one entry." $i .name) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- range .namespaces }}
{{- if hasKey $owners . }}
{{- fail (printf "tenants[%d].namespaces: %q belongs to tenant %q already. A namespace has one tenant." $i . (get $owners .)) }}
{{- end }}
{{- $_ := set $owners . $tenant.name }}
{{- if hasPrefix "kube-" . }}
{{- fail (printf "tenants[%d].namespaces: %q; what begins with kube- is Kubernetes' own. Name the tenant's namespaces." $i .) }}
{{- end }}
{{- if or (eq . $.Release.Namespace) (has . $system) }}
{{- fail (printf "tenants[%d].namespaces: %q is the release's own namespace or one of config.isolation.system, which no tenant may hold." $i .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sentinel.validateIdentities" -}}
{{- range $i, $tenant := .Values.tenants }}
{{- $names := dict "self" true "anonymous" true }}
{{- $accounts := dict "sentinel" "self" }}
{{- range $j, $identity := .identities }}
{{- if hasKey $names .name }}
{{- fail (printf "tenants[%d].identities[%d].name: %q is taken (self and anonymous always are). Choose another." $i $j .name) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- $account := include "sentinel.account" . }}
{{- if hasKey $accounts $account }}
{{- fail (printf "tenants[%d].identities[%d]: the account %q is that of identity %q already. Ask as each account once." $i $j $account (get $accounts $account)) }}
{{- end }}
{{- $_ := set $accounts $account .name }}
{{- if and .secret (not (kindIs "map" .token)) }}
{{- fail (printf "tenants[%d].identities[%d].secret: %q, but the token is requested, not read from a file. Remove one of the two." $i $j .secret) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
