-- Health of a Pipeline for Argo CD: whether its spec is accepted. How its last run went is told, and is no matter of
-- what Git holds. Uses the base library alone: Argo CD opens no `string`.
local status = obj.status
if status == nil or status.conditions == nil then
  return {status = "Progressing", message = "the operator has not looked at it yet"}
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration < obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen the latest change yet"}
end

local found = {}
for _, condition in ipairs(status.conditions) do
  if condition.type ~= nil then
    found[condition.type] = condition
  end
end
local function holds(type)
  return found[type] ~= nil and found[type].status == "True"
end
local function words(type)
  local condition = found[type] or {}
  return condition.message or condition.reason or ""
end

if holds("Stalled") then
  return {status = "Degraded", message = words("Stalled")}
end
if not holds("Ready") then
  return {status = "Progressing", message = words("Ready")}
end
if found.LastRunSucceeded ~= nil and found.LastRunSucceeded.status == "False" then
  return {status = "Healthy", message = "accepted; the last run failed: " .. words("LastRunSucceeded")}
end
return {status = "Healthy", message = "accepted"}
