-- Health of a ModelEndpoint for Argo CD: whether the version that Git asks for serves. What the traffic is like (drift,
-- bad data) and a canary on its way are told, and never make it unhealthy: no change of Git is the answer to them.
-- Uses the base library alone: Argo CD opens no `string`.
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
if holds("Reconciling") or not holds("Ready") then
  return {status = "Progressing", message = status.message or words("Ready")}
end
local message = status.message or "serves"
for _, type in ipairs({"Drifted", "NullBurst", "UnitChanged", "UnseenCategories"}) do
  if holds(type) then
    message = message .. "; " .. type .. ": " .. words(type)
  end
end
return {status = "Healthy", message = message}
