{{/*
alerts/route.yaml and alerts/receivers/*.yaml in the words of the Prometheus Operator: what is tested there is what is
rendered here. Names become camelCase, secrets in files become keys of Secrets, and what Alertmanager would read from
alerts/templates stands within each text, so that nothing has to be mounted: a template that is missing loses the page.
*/}}

{{/* One route and all below it, as YAML. Takes the route as Alertmanager has it. */}}
{{- define "sentinel.operatorRoute" -}}
{{- range $key, $value := omit . "matchers" "routes" "group_by" }}
{{ $key | camelcase | untitle }}: {{ toJson $value }}
{{- end }}
{{- with .group_by }}
groupBy: {{ toJson . }}
{{- end }}
{{- with .matchers }}
matchers: {{ include "sentinel.operatorMatchers" . }}
{{- end }}
{{- with .routes }}
routes:
  {{- range . }}
  - {{- include "sentinel.operatorRoute" . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Matchers as JSON. Takes their texts. */}}
{{- define "sentinel.operatorMatchers" -}}
{{- $found := list -}}
{{- range . -}}
{{- if not (regexMatch `^[a-zA-Z_]+(=~|!~|!=|=)"[^"]*"$` .) }}{{ fail (printf "alerts/route.yaml: %s is not one matcher" .) }}{{ end -}}
{{- $found = append $found (dict "name" (regexFind `^[a-zA-Z_]+` .) "matchType" (regexFind `[=!~]+` .) "value" (regexFind `".*"$` . | trimAll `"`)) -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* One way of a receiver, as YAML. Takes (list $ kind chosen): what the user wrote about it in `receivers`. */}}
{{- define "sentinel.operatorWay" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 }}{{ $chosen := index . 2 -}}
{{- $receiver := (fromYaml ($root.Files.Get (printf "alerts/receivers/%s.yaml" $kind))).receivers | first -}}
{{- $way := index $receiver (keys (omit $receiver "name") | first) | first -}}
{{- $made := dict -}}
{{- range $key, $value := $way -}}
{{- $name := include "sentinel.operatorKey" $key -}}
{{- if hasSuffix "_file" $key -}}
{{- $_ := set $made $name (dict "name" $chosen.secret "key" (base $value)) -}}
{{- else if or (eq $key "details") (eq $key "headers") -}}
{{- $pairs := list -}}
{{- range $one, $text := $value }}{{ $pairs = append $pairs (dict "key" $one "value" (include "sentinel.inline" (list $root $text))) }}{{ end -}}
{{- $_ := set $made $name $pairs -}}
{{- else if eq $key "links" -}}
{{- $links := list -}}
{{- range $value }}{{ $links = append $links (dict "alt" .text "href" (include "sentinel.inline" (list $root .href))) }}{{ end -}}
{{- $_ := set $made "pagerDutyLinkConfigs" $links -}}
{{- else if eq $key "actions" -}}
{{- $actions := list -}}
{{- range $value }}{{ $actions = append $actions (dict "type" .type "text" (include "sentinel.inline" (list $root .text)) "url" (include "sentinel.inline" (list $root .url))) }}{{ end -}}
{{- $_ := set $made $name $actions -}}
{{- else if eq $key "http_config" -}}
{{- $_ := set $made $name (dict "authorization" (dict "credentials" (dict "name" $chosen.secret "key" (base $value.authorization.credentials_file)))) -}}
{{- else if kindIs "string" $value -}}
{{- $_ := set $made $name (include "sentinel.inline" (list $root $value)) -}}
{{- else -}}
{{- $_ := set $made $name $value -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := omit $chosen "secret" }}{{ $_ := set $made $key $value }}{{ end -}}
{{- toYaml $made -}}
{{- end }}

{{/* routing_key_file: routingKey; client_url: clientURL. */}}
{{- define "sentinel.operatorKey" -}}
{{- regexReplaceAll "Url$" (trimSuffix "_file" . | camelcase | untitle) "URL" -}}
{{- end }}

{{/* A text with the definitions of all templates that it needs before it. Takes (list $ text). */}}
{{- define "sentinel.inline" -}}
{{- $root := index . 0 }}{{ $text := index . 1 -}}
{{- $all := include "sentinel.once" (list $root "sentinel.definitions") | fromJson -}}
{{- $seen := dict -}}
{{- range until 8 -}}
{{- range (regexFindAll `template "sentinel\.[^"]+"` $text -1 | uniq) -}}
{{- $name := trimAll `"` (trimPrefix "template " .) -}}
{{- if not (hasKey $seen $name) -}}
{{- $_ := set $seen $name true -}}
{{- $text = printf "%s%s" (get $all $name) $text -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $text -}}
{{- end }}

{{/* What alerts/templates defines, by name, as JSON. Takes $. */}}
{{- define "sentinel.definitions" -}}
{{- $found := dict -}}
{{- range $path, $_ := .Files.Glob "alerts/templates/*.tmpl" -}}
{{- $text := regexReplaceAll `(?s)\{\{-? /\*.*?\*/ -?\}\}` ($.Files.Get $path) "" -}}
{{- range splitList `{{ define "` $text | rest -}}
{{- $_ := set $found (splitList `"` . | first) (printf `{{ define "%s` (trim .)) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}
