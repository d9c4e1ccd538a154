{{/*
The witness: one process in the release's namespace that no tenant controls.

Its certificate and the salt of the ids are made when they are first needed, once per rendering, and found again at the
next upgrade in the Secrets that hold them.
*/}}

{{/* What the Deployment, the Service and the PodMonitor of the witness select by. Takes nothing. */}}
{{- define "sentinel.witnessLabels" -}}
app.kubernetes.io/name: sentinel
app.kubernetes.io/component: witness
{{- end }}

{{/* Where tenants' sentinels reach it. Takes $. */}}
{{- define "sentinel.witnessHost" -}}
{{- printf "sentinel-witness.%s.svc" .Release.Namespace -}}
{{- end }}

{{/* The Secret with its certificate. Takes $. */}}
{{- define "sentinel.witnessSecret" -}}
{{- default "sentinel-witness-tls" .Values.witness.tls.secret -}}
{{- end }}

{{/* The CA that tenants' sentinels verify it by, as PEM. Takes $. */}}
{{- define "sentinel.witnessCa" -}}
{{- if .Values.witness.tls.ca -}}
{{- trim .Values.witness.tls.ca -}}
{{- else -}}
{{- get (include "sentinel.once" (list . "sentinel.witnessTls") | fromJson) "ca.crt" | b64dec | trim -}}
{{- end -}}
{{- end }}

{{/* The data of the Secret that the chart makes itself, as JSON: tls.crt, tls.key, ca.crt in base64. The CA signs this
one certificate and its key is kept nowhere. Takes $; to be included through "sentinel.once". */}}
{{- define "sentinel.witnessTls" -}}
{{- $kept := default (dict) (lookup "v1" "Secret" .Release.Namespace "sentinel-witness-tls").data -}}
{{- if and (get $kept "tls.crt") (get $kept "tls.key") (get $kept "ca.crt") -}}
{{- pick $kept "tls.crt" "tls.key" "ca.crt" | toJson -}}
{{- else -}}
{{- $host := include "sentinel.witnessHost" . -}}
{{- $ca := genCAWithKey "sentinel-witness-ca" 3650 (genPrivateKey "ecdsa") -}}
{{- $names := list $host (printf "%s.cluster.local" $host) (trimSuffix ".svc" $host) -}}
{{- $made := genSignedCertWithKey "sentinel-witness" nil $names 3650 $ca (genPrivateKey "ecdsa") -}}
{{- dict "tls.crt" (b64enc $made.Cert) "tls.key" (b64enc $made.Key) "ca.crt" (b64enc $ca.Cert) | toJson -}}
{{- end -}}
{{- end }}

{{/* Makes ids that nobody can find out by trying names. Takes $; to be included through "sentinel.once". */}}
{{- define "sentinel.salt" -}}
{{- $kept := default (dict) (lookup "v1" "Secret" .Release.Namespace "sentinel-disclosure").data -}}
{{- default (default (randAlphaNum 32) (b64dec (default "" $kept.salt))) .Values.disclosureSalt -}}
{{- end }}

{{/* What other tenants know this one by under `disclosure: opaque`. Takes (list $ name). */}}
{{- define "sentinel.id" -}}
{{- printf "%s/%s" (include "sentinel.once" (list (index . 0) "sentinel.salt")) (index . 1) | sha256sum | trunc 8 | printf "t-%s" -}}
{{- end }}

{{/*
The witness's own configuration: every tenant by its name, with what must be known to ask in its place, and the hash of
the file it was given. Takes $.
*/}}
{{- define "sentinel.witnessYaml" -}}
{{- $config := default (dict) .Values.config -}}
{{- $relay := .Values.witness.relay -}}
{{- $host := regexReplaceAll ":[0-9]+$" (dig "web" "listen" "0.0.0.0:8080" $config) "" -}}
{{- $chosen := include "sentinel.once" (list . "sentinel.chosen") | fromJson -}}
{{- $_ := set $chosen.paging "direct" .Values.alertmanagers -}}
{{- $listen := dict "listen" (printf "%s:%v" $host $relay.port) "audience" "tenant-sentinel" -}}
{{- $files := dict "cert" "/etc/sentinel/tls/tls.crt" "key" "/etc/sentinel/tls/tls.key" -}}
{{- with include "sentinel.witnessJournal" . | fromJson }}{{ $_ := set $chosen "journal" . }}{{ end -}}
{{- $_ := set $chosen "relay" (merge $listen $files (pick $relay "rate" "burst")) -}}
{{- with .Values.prometheus -}}
{{- $every := include "sentinel.scaled" (list $ "5m") -}}
{{- $_ := set $chosen "alerting" (dict "prometheus" . "pager" $.Values.pager "every" $every) -}}
{{- end -}}
{{- $_ := set $chosen "paging" (include "sentinel.alarmBell" (list . $chosen.paging $host) | fromJson) -}}
# Rendered by the chart: edit its values, not this file. A change is noticed without a restart.
cluster: {{ toJson .Values.cluster }}
disclosure: {{ .Values.disclosure }}
tenants:
{{- range .Values.tenants }}
  - {{ include "sentinel.subject" (dict "root" $ "tenant" .) }}
{{- end }}
{{ toYaml (pick $chosen (.Values.network.enabled | ternary "network" "isolation") "isolation" "gateways" "paging" "alerting" "relay" "web" "journal" "log") }}
{{ end }}

{{/* Whether the witness drills the page path: it has to know whom to push to, and that somebody evaluates the rules.
Takes $; empty: it does not. */}}
{{- define "sentinel.pageDrill" -}}
{{- if and .Values.witness.enabled .Values.prometheus .Values.alertmanagers .Values.paging.drill.every -}}
true
{{- end -}}
{{- end }}

{{/* Whether it tells somebody outside that pages would come. Takes $; empty: it does not. */}}
{{- define "sentinel.heartbeat" -}}
{{- if and .Values.witness.enabled .Values.paging.heartbeat.secret -}}
true
{{- end -}}
{{- end }}

{{/* The witness's section `paging`, as JSON: the tenants' one, and what only the witness does. Takes
(list $ paging host). */}}
{{- define "sentinel.alarmBell" -}}
{{- $root := index . 0 -}}
{{- $paging := deepCopy (index . 1) -}}
{{- $drill := $root.Values.paging.drill -}}
{{- if include "sentinel.pageDrill" $root -}}
{{- $every := include "sentinel.scaled" (list $root $drill.every) -}}
{{- $within := include "sentinel.scaled" (list $root $drill.within) -}}
{{- $listen := printf "%s:%v" (index . 2) $drill.port -}}
{{- $_ := set $paging "drill" (dict "every" $every "within" $within "listen" $listen "wakes" $drill.wakes) -}}
{{- else if not $drill.every -}}
{{- $_ := set $paging "drill" (dict "every" nil) -}}
{{- end -}}
{{- if include "sentinel.heartbeat" $root -}}
{{- $every := include "sentinel.scaled" (list $root $root.Values.paging.heartbeat.every) -}}
{{- $_ := set $paging "heartbeat" (dict "file" "/var/run/secrets/heartbeat/url" "every" $every) -}}
{{- end -}}
{{- toJson $paging -}}
{{- end }}

{{/* One tenant as the witness is told of it, as JSON. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.subject" -}}
{{- $home := printf "%s/" (include "sentinel.home" .tenant) -}}
{{- $accounts := list -}}
{{- range (include "sentinel.furtherAccounts" . | fromJsonArray) }}{{- $accounts = append $accounts (trimPrefix $home .) }}{{- end -}}
{{- $subject := pick .tenant "name" "namespaces" "owner" "contact" -}}
{{- $_ := set $subject "accounts" $accounts -}}
{{- $_ := set $subject "groups" (default (list) .tenant.groups) -}}
{{- if and .root.Values.network.enabled (eq .root.Values.disclosure "opaque") -}}
{{- $_ := set $subject "id" (include "sentinel.id" (list .root .tenant.name)) -}}
{{- end -}}
{{- $_ := set $subject "config_hash" (include "sentinel.configHash" . | int64) -}}
{{- toJson $subject -}}
{{- end }}
