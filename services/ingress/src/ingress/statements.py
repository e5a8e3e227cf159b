"""The SQL of the archive; each statement takes a whole batch as arrays, one per column."""

DEVICES = """
INSERT INTO device
    (id, type, enrolled_on, enrolled_on_text, latitude, longitude)
SELECT * FROM unnest(
    $1::varchar[], $2::varchar[], $3::timestamp[], $4::text[], $5::real[], $6::real[])
ON CONFLICT (id) DO UPDATE SET
    type = excluded.type,
    enrolled_on = excluded.enrolled_on,
    enrolled_on_text = excluded.enrolled_on_text,
    latitude = excluded.latitude,
    longitude = excluded.longitude,
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

# Returns what is new; a request for its notification is written beside it.
ALERTS = """
WITH added AS (
    INSERT INTO alert (
        id, image_id, event_id, event_time, device_id, face_model_id, mask_model_id, probability,
        label, camera, longitude, latitude, face_left, face_top, face_right, face_bottom,
        episode_id, runtime, boot_id, sequence, clock_quality)
    SELECT
        numbered.id, CASE WHEN has_picture THEN numbered.id END, event_id, event_time, device_id,
        face_model_id, mask_model_id, probability, label, camera, longitude, latitude, face_left,
        face_top, face_right, face_bottom, episode_id, runtime, boot_id, sequence, clock_quality
    FROM (
        SELECT nextval('alert_id_seq') AS id, given.*
        FROM unnest(
            $1::uuid[], $2::timestamptz[], $3::varchar[], $4::varchar[], $5::varchar[],
            $6::real[], $7::text[], $8::text[], $9::real[], $10::real[], $11::real[],
            $12::real[], $13::real[], $14::real[], $15::uuid[], $16::text[], $17::text[],
            $18::bigint[], $19::text[], $20::boolean[]
        ) AS given (
            event_id, event_time, device_id, face_model_id, mask_model_id, probability, label,
            camera, longitude, latitude, face_left, face_top, face_right, face_bottom, episode_id,
            runtime, boot_id, sequence, clock_quality, has_picture)
    ) AS numbered
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id, event_id
), requested AS (
    INSERT INTO notification_request (alert_id) SELECT id FROM added ORDER BY id
)
SELECT id, event_id FROM added
"""

# In the select list, not in FROM: there PostgreSQL would first write all pictures to a temporary
# file.
IMAGES = """
INSERT INTO image (id, format, width, height, data)
SELECT
    unnest($1::bigint[]), unnest($2::varchar[]), unnest($3::integer[]), unnest($4::integer[]),
    unnest($5::bytea[])
"""

PENDING_REQUESTS = """
SELECT request.id, alert.id AS alert_id, alert.event_id, alert.event_time, alert.device_id
FROM notification_request AS request
JOIN alert ON alert.id = request.alert_id
WHERE request.published_at IS NULL AND request.id > $1
ORDER BY request.id
LIMIT $2
"""

MARK_REQUESTS = """
UPDATE notification_request SET published_at = now() WHERE id = ANY($1::bigint[])
"""

REFUSE_REQUEST = """
UPDATE notification_request SET published_at = now(), refused_reason = $2 WHERE id = $1
"""

TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext($1))"
NOTIFY = "SELECT pg_notify($1, '')"
