-- Health of GatewayDeployment, ProviderBinding and GatewayPolicy for Argo CD, by their Ready condition.
-- Argo CD loads the base and table libraries only: no string functions here.

-- Reasons that time alone may mend. Every other one waits for a person, so the application is degraded at once.
local passing = {
  Pending = true,
  NotWritten = true,
  PodsBehind = true,
  PodsNotReady = true,
  NoReadyPods = true,
}

local function progressing(message)
  return { status = "Progressing", message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return progressing("Being deleted")
end
if obj.status == nil or obj.status.conditions == nil then
  return progressing("Waiting for the operator")
end

local ready = nil
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  end
end
if ready == nil then
  return progressing("Waiting for the operator")
end
-- What it says is about an earlier generation, good or bad.
local observed = ready.observedGeneration or obj.status.observedGeneration
if observed ~= obj.metadata.generation then
  return progressing("Waiting for the operator to look at this generation")
end

local message = ready.reason
if ready.message ~= nil and ready.message ~= "" then
  message = ready.reason .. ": " .. ready.message
end
if ready.status == "True" then
  return { status = "Healthy", message = message }
end
if ready.status == "False" and not passing[ready.reason] then
  return { status = "Degraded", message = message }
end
return progressing(message)
