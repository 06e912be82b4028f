-- Health of a ModelVersion for Argo CD: a record, so it is healthy in every lifecycle but the one that bars it from
-- serving. Uses the base library alone: Argo CD opens no `string`.
local status = obj.status
if status == nil or status.lifecycle == nil then
  return {status = "Progressing", message = "the operator has not looked at it yet"}
end
local words = status.lifecycle
if status.message ~= nil then
  words = words .. ": " .. status.message
end
if status.lifecycle == "Rejected" then
  return {status = "Degraded", message = words}
end
return {status = "Healthy", message = words}
