"""A forwarder as settings want it; for the gateway and for the detector."""

from maskwatch_runtime.errors import Misconfigured
from prometheus_client import CollectorRegistry

from edge_detector import tls
from edge_detector.broker import Broker
from edge_detector.forward.forwarder import Forwarder
from edge_detector.forward.metrics import ForwardMetrics
from edge_detector.forward.queue import Queue
from edge_detector.forward.settings import ForwardSettings
from edge_detector.forward.target import HttpTarget, MqttTarget, Target


def forwarder(settings: ForwardSettings, registry: CollectorRegistry) -> Forwarder | None:
    """Return the forwarder, None when no address is set; call it inside the event loop.

    Raises:
        Misconfigured: The queue's file or a certificate cannot be used.
    """
    if not settings.is_forwarding:
        return None
    if settings.forward_queue_path is None:
        raise Misconfigured("MASKWATCH_FORWARD_QUEUE_PATH is missing: events wait in that file")
    queue = Queue(settings.forward_queue_path, items_max=settings.forward_events_max)
    queue.open()
    return Forwarder(
        queue,
        _target(settings),
        metrics=ForwardMetrics(registry),
        with_pictures=settings.forward_pictures,
    )


def _target(settings: ForwardSettings) -> Target:
    files = tls.Files(
        settings.forward_ca_file, settings.forward_cert_file, settings.forward_key_file
    )
    context = tls.client(files, setting="MASKWATCH_FORWARD")
    timeout_s = settings.forward_timeout_s
    if settings.forward_url:
        return HttpTarget(
            settings.forward_url, token=settings.forward_token, tls=context, timeout_s=timeout_s
        )
    broker = Broker(
        settings.forward_mqtt_host,
        settings.forward_mqtt_port,
        settings.forward_client_id,
        context if settings.forward_tls else None,
        settings.forward_username,
        settings.forward_password,
    )
    return MqttTarget(broker, topic=settings.forward_mqtt_topic, timeout_s=timeout_s)
