-- Health of a PipelineRun for Argo CD. Uses the base library alone: Argo CD opens no `string`.
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

local words = status.message or status.reason or ""
if holds("Finished") then
  if holds("Succeeded") then
    return {status = "Healthy", message = "all steps have succeeded"}
  end
  return {status = "Degraded", message = words}
end
-- A queueing system holds its Job back: nothing is wrong, and nothing moves before somebody makes room.
if status.reason == "Suspended" or status.reason == "QueueUnavailable" then
  return {status = "Suspended", message = words}
end
if status.progress ~= nil then
  words = status.progress .. " steps: " .. words
end
return {status = "Progressing", message = words}
