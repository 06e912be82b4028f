{{/* The name of the release's objects: "penstock" for a release of that name. */}}
{{- define "penstock.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells this release's pods of one component from all others. Never changes: it is in immutable selectors. */}}
{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object. {root, component} */}}
{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/part-of: penstock
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a pod. Versions stay out, so that an upgrade that changes nothing else restarts nothing.
     {root, component, extra} */}}
{{- define "penstock.podLabels" -}}
{{- $own := include "penstock.selector" . | fromYaml -}}
{{- toYaml (mergeOverwrite (dict) (.extra | default dict) .root.Values.commonLabels $own) -}}
{{- end -}}

{{/* An image's reference. {root, name} */}}
{{- define "penstock.image" -}}
{{- $image := get .root.Values.image .name -}}
{{- $registry := default .root.Values.image.registry $image.registry -}}
{{- $path := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $path $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $path (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "penstock.serviceAccountName" -}}
{{- default (ternary (include "penstock.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* The namespaces that the operator serves, as {"names": [...]}; in cluster-wide mode the ones known here. */}}
{{- define "penstock.namespaces" -}}
{{- dict "names" (.Values.scope.namespaces | default (list .Release.Namespace) | uniq) | toJson -}}
{{- end -}}

{{/* The namespaces that get the store's Secret, as {"names": [...]}. */}}
{{- define "penstock.storeNamespaces" -}}
{{- $served := (include "penstock.namespaces" . | fromJson).names -}}
{{- dict "names" (.Values.store.namespaces | default $served | uniq) | toJson -}}
{{- end -}}

{{/* Security of a pod and of a container: Pod Security level "restricted". */}}
{{- define "penstock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where a pod runs: nodeSelector, tolerations, affinity, priorityClassName of a part of the values. */}}
{{- define "penstock.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "penstock.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Contradictions that a schema cannot see are refused in words, before anything is created. */}}
{{- define "penstock.check" -}}
{{- if and .Values.scope.clusterWide .Values.scope.namespaces -}}
{{- fail "scope: set either clusterWide or namespaces, not both" -}}
{{- end -}}
{{- if and .Values.webhook.enabled (not .Values.webhook.secretName) -}}
{{- fail "webhook: enabled needs webhook.secretName, a Secret that you make; see docs/webhook.md" -}}
{{- end -}}
{{- with .Values.store -}}
{{- if and (eq .mode "External") (not .external.url) -}}
{{- fail "store: mode External needs store.external.url, such as s3://bucket/folder" -}}
{{- end -}}
{{- if and (ne .mode "External") .external.url -}}
{{- fail (printf "store.external.url is set, but store.mode is %s: set store.mode=External" .mode) -}}
{{- end -}}
{{- if ne (empty .bundled.accessKeyId) (empty .bundled.secretAccessKey) -}}
{{- fail "store.bundled: set both accessKeyId and secretAccessKey, or neither" -}}
{{- end -}}
{{- if ne (empty .external.accessKeyId) (empty .external.secretAccessKey) -}}
{{- fail "store.external: set both accessKeyId and secretAccessKey, or neither" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The operator's settings file: settings of the values, and the images that it starts. */}}
{{- define "penstock.settings" -}}
{{- $pods := dict
      "stepsImage" (include "penstock.image" (dict "root" . "name" "steps"))
      "serverImage" (include "penstock.image" (dict "root" . "name" "server"))
      "imagePullPolicy" .Values.image.pullPolicy -}}
{{- merge (dict "pods" $pods) .Values.settings | toPrettyJson -}}
{{- end -}}

{{/* Whether a part of `observability` is rendered: "true" or nothing. {root, part, kinds}
     `kinds` are those of the Prometheus Operator that the part is for. */}}
{{- define "penstock.renders" -}}
{{- $mode := (get .root.Values.observability .part).renderMode -}}
{{- $missing := list -}}
{{- range .kinds -}}
{{- if not ($.root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .)) -}}
{{- $missing = append $missing . -}}
{{- end -}}
{{- end -}}
{{- if and $missing (eq $mode "failIfMissing") -}}
{{- fail (printf "observability.%s: the cluster has no kind %s of monitoring.coreos.com/v1: install the Prometheus Operator first, or set observability.%s.renderMode=skipIfMissing" .part (join ", " $missing) .part) -}}
{{- end -}}
{{- if or (eq $mode "alwaysRender") (and (ne $mode "never") (not $missing)) -}}true{{- end -}}
{{- end -}}
