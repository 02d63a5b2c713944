-- What no plugin of Fluent Bit says: where a container's lines begin, how much of a line is kept, whose record it is. Both
-- functions are called for each record; `ts` is a table of seconds and nanoseconds.

-- The job takes 262,144 bytes of JSON a record. A line is cut here; a trace ends at `multiline_buffer_limit`.
local MAX_LINE = 131072
local MAX_CONTENT_IN_JSON = 245000
local MOST_BYTES_FOR_ONE = 6 -- \u001b

local BOUNDARY = "\30"
local SERVICE_LABELS = { "app.kubernetes.io/name", "app", "k8s-app" }

local container = nil

local function cut(text, bytes)
  -- A character that was cut in two goes as a whole.
  return (text:sub(1, bytes):gsub("[\192-\255][\128-\191]*$", ""))
end

local function tidied(record)
  local text = record.log
  if text:find("\27", 1, true) then
    text = text:gsub("\27%[[%d;]*[mK]", "")
  end
  if #text > MAX_LINE then
    record.bytes = #text
    text = cut(text, MAX_LINE)
  end
  local is_changed = text ~= record.log
  record.log = text
  return is_changed
end

-- Before the multiline filter. It has one state for all chunks, so a container's first line would be read in the state in
-- which another container's last line left it. A boundary in both streams ends that state; `record` drops it again.
function line(tag, ts, record)
  local is_changed = tidied(record)
  if tag == container then
    return is_changed and 2 or 0, ts, record
  end
  container = tag
  return 2, ts, {
    { log = BOUNDARY, stream = "stdout", boundary = true },
    { log = BOUNDARY, stream = "stderr", boundary = true },
    record,
  }
end

local function json_bytes(text)
  local _, two = text:gsub('["\\\n\r\t\b\f]', "")
  local _, six = text:gsub("[%z\1-\7\11\14-\31\127]", "")
  return #text + two + (MOST_BYTES_FOR_ONE - 1) * six
end

local function trimmed(text)
  return text and text:match("^(.*%S)")
end

local function content_of(record)
  local text = trimmed(record.log_content) or trimmed(record.log) or ""
  if #text * MOST_BYTES_FOR_ONE <= MAX_CONTENT_IN_JSON then
    return text
  end
  local bytes = json_bytes(text)
  while bytes > MAX_CONTENT_IN_JSON do
    record.bytes = record.bytes or #text
    text = cut(text, math.floor(#text * MAX_CONTENT_IN_JSON / bytes))
    bytes = json_bytes(text)
  end
  return text
end

local function service_of(labels, pod, container_name)
  for _, label in ipairs(SERVICE_LABELS) do
    if labels[label] and labels[label] ~= "" then
      return labels[label]
    end
  end
  -- Without labels: a Deployment's pod is called after it, as in cart-5c689d88bb-qkz7n.
  return pod:match("^(.+)%-[bcdf-hj-np-tv-xz0-9]+%-[bcdf-hj-np-tv-xz0-9]+$") or container_name
end

-- What stands between time and level is a thread, [main], or a logger, - mailer.tasks -.
local function origin_of(record)
  local origin = (record.origin or ""):gsub("^[%s|:,-]+", "")
  local thread = origin:match("^%[([^%]]*)%]$")
  local logger = not thread and origin:find("%a") and origin:gsub("[{}<>()]", "") or nil
  return record.thread or thread, record.logger or logger
end

local function level_of(record)
  -- What syslog calls priority is facility * 8 + severity.
  return record.level or record.priority and tostring(tonumber(record.priority) % 8) or nil
end

-- Behind multiline and parser. Pod, namespace and container are those of the file's name: they are known when the Kubernetes
-- API is not there, and nothing that an application writes can change them or the service.
function record(tag, ts, record)
  local content = content_of(record)
  if record.boundary or content == "" then
    return -1, ts, record
  end
  local pod, namespace, container_name, id = tag:match("^kube%.var%.log%.containers%.([^_]+)_([^_]+)_(.+)%-(%w+)%.log$")
  local kubernetes = record.kubernetes or {}
  local labels = kubernetes.labels or {}
  local service = service_of(labels, pod, container_name)
  local thread, logger = origin_of(record)
  return 2, ts, {
    level = level_of(record),
    service = service,
    log_content = content,
    logger = logger,
    ["thread.name"] = thread,
    ["log.time"] = record.stamp,
    ["log.iostream"] = record.stream,
    ["log.bytes"] = record.bytes,
    -- The same when a file is read again after a crash, and when a chunk is sent again.
    ["log.record.uid"] = string.format("%s-%d%09d-%s", id:sub(1, 12), ts.sec, ts.nsec, (record.stream or ""):sub(4, 4)),
    ["service.name"] = service,
    ["service.version"] = labels["app.kubernetes.io/version"],
    ["k8s.namespace.name"] = namespace,
    ["k8s.pod.name"] = pod,
    ["k8s.pod.uid"] = kubernetes.pod_id,
    ["k8s.container.name"] = container_name,
    ["k8s.node.name"] = kubernetes.host,
  }
end
