"""The SQL of the archive; each statement takes a whole batch as arrays, one per column."""

# (0, 0) is what a device without a position says: an event that knows none keeps the one known.
DEVICES = """
INSERT INTO device AS known
    (id, type, enrolled_on, enrolled_on_text, latitude, longitude)
SELECT * FROM unnest(
    $1::varchar[], $2::varchar[], $3::timestamp[], $4::text[], $5::real[], $6::real[])
ON CONFLICT (id) DO UPDATE SET
    type = excluded.type,
    enrolled_on = excluded.enrolled_on,
    enrolled_on_text = excluded.enrolled_on_text,
    latitude = CASE WHEN (excluded.latitude, excluded.longitude) = (0, 0)
        THEN known.latitude ELSE excluded.latitude END,
    longitude = CASE WHEN (excluded.latitude, excluded.longitude) = (0, 0)
        THEN known.longitude ELSE excluded.longitude END,
    last_seen_at = now()
"""

_MODELS = """
INSERT INTO {table} AS known (id, name, threshold)
SELECT * FROM unnest($1::varchar[], $2::varchar[], $3::real[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name, threshold = excluded.threshold
WHERE (known.name, known.threshold) IS DISTINCT FROM (excluded.name, excluded.threshold)
"""
FACE_MODELS = _MODELS.format(table="face_detection_model")
MASK_MODELS = _MODELS.format(table="mask_classification_model")

# Writes a request for the notification of each that is new. Returns one row: how many are new, and
# the numbers and event ids of those whose pictures are to follow, NULL without any. A row for each
# alert would cost the caller a microsecond more of each. Then how many of the devices and models
# are there: alert has no foreign keys (docs/adr/0008-no-foreign-keys-on-alert.md). Each is locked
# once, as they would do for every alert: whoever deletes one waits for the batch, then finds it.
ALERTS = """
WITH added AS (
    INSERT INTO alert (
        id, image_id, event_id, event_time, device_id, face_model_id, mask_model_id, probability,
        label, camera, longitude, latitude, face_left, face_top, face_right, face_bottom,
        episode_id, runtime, boot_id, sequence, clock_quality, episode_started_at)
    SELECT
        numbered.id, CASE WHEN has_picture THEN numbered.id END, event_id, event_time, device_id,
        face_model_id, mask_model_id, probability, label, camera, longitude, latitude, face_left,
        face_top, face_right, face_bottom, episode_id, runtime, boot_id, sequence, clock_quality,
        episode_started_at
    FROM (
        SELECT nextval('alert_id_seq') AS id, given.*
        FROM unnest(
            $1::uuid[], $2::timestamptz[], $3::varchar[], $4::varchar[], $5::varchar[],
            $6::real[], $7::text[], $8::text[], $9::real[], $10::real[], $11::real[],
            $12::real[], $13::real[], $14::real[], $15::uuid[], $16::text[], $17::text[],
            $18::bigint[], $19::text[], $20::timestamptz[], $21::boolean[]
        ) AS given (
            event_id, event_time, device_id, face_model_id, mask_model_id, probability, label,
            camera, longitude, latitude, face_left, face_top, face_right, face_bottom, episode_id,
            runtime, boot_id, sequence, clock_quality, episode_started_at, has_picture)
    ) AS numbered
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id, event_id, image_id
), requested AS (
    INSERT INTO notification_request (alert_id) SELECT id FROM added ORDER BY id
)
SELECT
    count(*) AS added,
    array_agg(id) FILTER (WHERE image_id IS NOT NULL) AS numbers,
    array_agg(event_id) FILTER (WHERE image_id IS NOT NULL) AS event_ids,
    (SELECT count(*) FROM (
        SELECT FROM device WHERE id = ANY($22::varchar[]) FOR KEY SHARE) AS kept)
    + (SELECT count(*) FROM (
        SELECT FROM face_detection_model WHERE id = ANY($23::varchar[]) FOR KEY SHARE) AS kept)
    + (SELECT count(*) FROM (
        SELECT FROM mask_classification_model WHERE id = ANY($24::varchar[]) FOR KEY SHARE) AS kept)
    AS parents
FROM added
"""

# In the select list, not in FROM: there PostgreSQL would first write all pictures to a temporary
# file.
IMAGES = """
INSERT INTO image (id, format, width, height, data)
SELECT
    unnest($1::bigint[]), unnest($2::varchar[]), unnest($3::integer[]), unnest($4::integer[]),
    unnest($5::bytea[])
"""

# Ids rise in the order of the arrays, which is a device's own. Somebody is to be told of a camera
# that changed: the request is written beside the event.
EVENTS = """
WITH added AS (
    INSERT INTO device_event (
        event_id, event_time, device_id, camera, kind, boot_id, sequence, clock_quality, detail)
    SELECT * FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::varchar[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::text[], $9::jsonb[])
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id, kind
), requested AS (
    INSERT INTO event_notification_request (device_event_id)
    SELECT id FROM added WHERE kind = 'camera_changed' ORDER BY id
)
SELECT id FROM added
"""

# Of two pairs of tables: `requests` is the outbox of `subject`, and refers to it.
PENDING_REQUESTS = """
SELECT request.id, subject.id, subject.event_id, subject.event_time, subject.device_id
FROM {requests} AS request
JOIN {subject} AS subject ON subject.id = request.{subject}_id
WHERE request.published_at IS NULL AND request.id > $1
ORDER BY request.id
LIMIT $2
"""

MARK_REQUESTS = "UPDATE {requests} SET published_at = now() WHERE id = ANY($1::bigint[])"

REFUSE_REQUEST = "UPDATE {requests} SET published_at = now(), refused_reason = $2 WHERE id = $1"

TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext($1))"
NOTIFY = "SELECT pg_notify($1, '')"
