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
{{- if and (eq .Values.kind "DaemonSet") (not (include "sentinel.networkChecks" . | fromJsonArray)) }}
{{- fail "kind: DaemonSet is for the network, which looks different from each node; of the API server one pod of a tenant asks all there is to ask. Set network.enabled to true, or kind to Deployment." }}
{{- end }}
{{- if and .Values.paging.direct (not .Values.alertmanagers) }}
{{- fail "paging.direct: true, but alertmanagers is empty. List the Alertmanager URLs to push to, or set paging.direct to false." }}
{{- end }}
{{- if and .Values.paging.direct .Values.witness.enabled }}
{{- fail "paging.direct and witness.enabled contradict each other: the witness is there so that no tenant is given Alertmanager's address. Leave paging.direct at false, and the witness pushes; or set witness.enabled to false." }}
{{- end }}
{{- if and .Values.paging.direct .Values.networkPolicy.enabled }}
{{- fail "paging.direct and networkPolicy.enabled contradict each other: the policy keeps the tenants, and so their sentinels, away from Alertmanager. Choose one." }}
{{- end }}
{{- if le (float64 .Values.timeScale) 0.0 }}
{{- fail (printf "timeScale: %v is not above 0. Leave it at 1 outside tests." .Values.timeScale) }}
{{- end }}
{{- include "sentinel.validateTenants" . }}
{{- include "sentinel.validateIdentities" . }}
{{- include "sentinel.validateAccounts" . }}
{{- include "sentinel.validateAllowed" . }}
{{- include "sentinel.validateWitness" . }}
{{- include "sentinel.validatePages" . }}
{{- include "sentinel.validateNetwork" . }}
{{- include "sentinel.validateAlarmBell" . }}
{{- end }}

{{- define "sentinel.validateAlarmBell" -}}
{{- $drill := .Values.paging.drill }}
{{- $taken := list (include "sentinel.port" .) (regexFind "[0-9]+$" (dig "web" "console" "127.0.0.1:8081" (default (dict) .Values.config))) (toString .Values.witness.relay.port) }}
{{- if .Values.network.enabled }}{{ $taken = append $taken (include "sentinel.beaconPort" .) }}{{- end }}
{{- if and (include "sentinel.pageDrill" .) (has (toString $drill.port) $taken) }}
{{- fail (printf "paging.drill.port: %v is that of another listener of the witness already. Choose another." $drill.port) }}
{{- end }}
{{- if and (include "sentinel.pageDrill" .) (lt (include "sentinel.ms" $drill.every | float64) (mulf 4 (include "sentinel.ms" $drill.within | float64))) }}
{{- fail (printf "paging.drill.every: %s is less than four times paging.drill.within (%s). A drill may take twice that, and the next one must find its groups gone." $drill.every $drill.within) }}
{{- end }}
{{- if and .Values.paging.heartbeat.secret (not (and .Values.witness.enabled .Values.prometheus .Values.alertmanagers)) }}
{{- fail "paging.heartbeat.secret: it is beaten only while Prometheus and an Alertmanager are seen to work. Give prometheus and alertmanagers, with the witness, or leave the secret empty." }}
{{- end }}
{{- end }}

{{- define "sentinel.validateNetwork" -}}
{{- $config := dig "network" (dict) (default (dict) .Values.config) }}
{{- if hasKey $config "enabled" }}
{{- fail "config.network.enabled: set network.enabled instead; it also opens the port and gives the witness what it needs." }}
{{- end }}
{{- if dig "beacon" "labels" list $config }}
{{- fail "config.network.beacon.labels: set network.beacon.labels instead, or beaconLabels of one tenant; the chart makes the pods that carry them." }}
{{- end }}
{{- if and .Values.network.enabled (not .Values.witness.enabled) }}
{{- fail "network.enabled needs the witness: nobody else can say where the beacons are, that they listen, and what has reached them. Set witness.enabled to true, or network.enabled to false." }}
{{- end }}
{{- $port := include "sentinel.beaconPort" . }}
{{- $taken := list (include "sentinel.port" .) (regexFind "[0-9]+$" (dig "web" "console" "127.0.0.1:8081" (default (dict) .Values.config))) (toString .Values.witness.relay.port) }}
{{- if and .Values.network.enabled (has $port $taken) }}
{{- fail (printf "config.network.beacon.port: %s is that of config.web or witness.relay already. Choose another." $port) }}
{{- end }}
{{- range $i, $tenant := .Values.tenants }}
{{- if and .beaconLabels (not $.Values.network.enabled) }}
{{- fail (printf "tenants[%d].beaconLabels: there are no beacons while network.enabled is false. Turn it on, or remove them." $i) }}
{{- end }}
{{- $keys := dict }}
{{- range include "sentinel.beaconLabels" (dict "root" $ "tenant" .) | fromJsonArray }}
{{- $key := regexReplaceAll "=.*$" . "" }}
{{- if hasPrefix "tenant-sentinel/" $key }}
{{- fail (printf "tenants[%d]: beacon label %q: the chart writes tenant-sentinel/… itself. Name labels that the tenant's policies select by." $i .) }}
{{- end }}
{{- if hasKey $keys $key }}
{{- fail (printf "tenants[%d]: beacon label %q is given twice. Give each label once." $i $key) }}
{{- end }}
{{- if eq . "app.kubernetes.io/name=sentinel" }}
{{- fail (printf "tenants[%d]: beacon label %q would put the pod behind the sentinel's own Service. Name labels that the tenant's policies select by." $i .) }}
{{- end }}
{{- $_ := set $keys $key true }}
{{- end }}
{{- end }}
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
{{- if has .name (list "anonymous" "witness") }}
{{- fail (printf "tenants[%d].name: %q means something else wherever a tenant's name may stand. Choose another." $i .name) }}
{{- end }}
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
{{- if and $.Values.witness.enabled (ne $account .name) }}
{{- fail (printf "tenants[%d].identities[%d]: %q asks as the account %q. The witness asks as that account too, and calls it by its name: give both one name, or set witness.enabled to false." $i $j .name $account) }}
{{- end }}
{{- if and .secret (not (kindIs "map" .token)) }}
{{- fail (printf "tenants[%d].identities[%d].secret: %q, but the token is requested, not read from a file. Remove one of the two." $i $j .secret) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sentinel.validateAccounts" -}}
{{- range $i, $tenant := .Values.tenants }}
{{- $home := include "sentinel.home" . }}
{{- $seen := dict (printf "%s/sentinel" $home) "the sentinel's own, which is asked as in any case" }}
{{- range $j, $account := (include "sentinel.listed" . | fromJsonArray) }}
{{- $path := contains "/" . | ternary . (printf "%s/%s" $home .) }}
{{- if not (has (dir $path) $tenant.namespaces) }}
{{- fail (printf "tenants[%d].accounts[%d]: %q is in no namespace of tenant %q. Write the name of a ServiceAccount of %s, or namespace/name for another one of the tenant's." $i $j . $tenant.name $home) }}
{{- end }}
{{- with get $seen $path }}
{{- fail (printf "tenants[%d].accounts[%d]: %q is %s. List each account once." $i $j $account .) }}
{{- end }}
{{- $_ := set $seen $path "listed already" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sentinel.validateAllowed" -}}
{{- $names := list "*" "anonymous" }}
{{- $spaces := append (include "sentinel.system" . | fromJsonArray) "*" }}
{{- range .Values.tenants }}{{ $names = append $names .name }}{{ $spaces = concat $spaces .namespaces }}{{- end }}
{{- range $i, $exception := (dig "isolation" "allow" list (default (dict) .Values.config)) }}
{{- if not (has .from $names) }}
{{- fail (printf "config.isolation.allow[%d].from: %q is no tenant. Name one, or write anonymous, or \"*\" for everybody." $i .from) }}
{{- end }}
{{- if not (has .to $spaces) }}
{{- fail (printf "config.isolation.allow[%d].to: %q is no namespace of a tenant or of config.isolation.system. Name one, or write \"*\" for the cluster scope." $i .to) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sentinel.validateWitness" -}}
{{- $tls := .Values.witness.tls }}
{{- if and (eq .Values.disclosure "opaque") (not .Values.witness.enabled) }}
{{- fail "disclosure: opaque needs the witness: nobody else could ask about tenants who do not know each other. Set witness.enabled to true, or disclosure to names." }}
{{- end }}
{{- if and $tls.secret (not $tls.ca) }}
{{- fail (printf "witness.tls.secret: %q, but witness.tls.ca is empty. Give the PEM that its certificate is verified by: tenants trust nothing else." $tls.secret) }}
{{- end }}
{{- if and $tls.ca (not $tls.secret) }}
{{- fail "witness.tls.ca is given, but witness.tls.secret is empty. Name the Secret with the certificate that it signed, or leave both empty." }}
{{- end }}
{{- if and $tls.ca (not (regexMatch "^\\s*-----BEGIN CERTIFICATE-----[\\s\\S]+-----END CERTIFICATE-----\\s*$" $tls.ca)) }}
{{- fail "witness.tls.ca: not a certificate in PEM. It begins with -----BEGIN CERTIFICATE----- and ends with -----END CERTIFICATE-----." }}
{{- end }}
{{- if contains "PRIVATE KEY" $tls.ca }}
{{- fail "witness.tls.ca: there is a private key in it, and every tenant would be given it. Leave only the certificate." }}
{{- end }}
{{- $taken := list (include "sentinel.port" .) (regexFind "[0-9]+$" (dig "web" "console" "127.0.0.1:8081" (default (dict) .Values.config))) }}
{{- if and .Values.witness.enabled (has (toString .Values.witness.relay.port) $taken) }}
{{- fail (printf "witness.relay.port: %v is that of config.web already. Choose another." .Values.witness.relay.port) }}
{{- end }}
{{- if eq .Values.disclosure "opaque" }}
{{- $ids := dict }}
{{- range .Values.tenants }}
{{- $id := include "sentinel.id" (list $ .name) }}
{{- if hasKey $ids $id }}
{{- fail (printf "disclosure: opaque: tenants %q and %q would have the same id. Set another disclosureSalt." (get $ids $id) .name) }}
{{- end }}
{{- $_ := set $ids $id .name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sentinel.validatePages" -}}
{{- if include "sentinel.visits" . }}
{{- if not .Values.witness.enabled }}
{{- fail "config.gateways: a page is visited by a pod that reads the witness's file. Set witness.enabled to true, or leave `page` out." }}
{{- end }}
{{- if not .Values.visitor.image.repository }}
{{- fail "visitor.image.repository: there is a page in config.gateways, and the ordinary image has no Chromium. Name the image that you built with --build-arg BROWSER=chromium-headless-shell." }}
{{- end }}
{{- range $i, $gateway := .Values.config.gateways }}
{{- $path := dig "page" "screenshots" "path" (include "sentinel.pictures" $) $gateway }}
{{- if ne (trimSuffix "/" $path) (include "sentinel.pictures" $) }}
{{- fail (printf "config.gateways[%d].page.screenshots.path: %q is no folder that the pod can write in. Write %s, or leave screenshots out." $i $path (include "sentinel.pictures" $)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
