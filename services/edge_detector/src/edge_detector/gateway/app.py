"""Builds the gateway, runs it, and takes it down in reverse."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from maskwatch_proto.alert import Device
from maskwatch_runtime import admin, retry
from maskwatch_runtime.clock import Clock, SystemClock
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.health import Health
from maskwatch_runtime.lifecycle import supervise
from prometheus_client import CollectorRegistry

from edge_detector import storing, tls
from edge_detector.broker import Broker
from edge_detector.device.clock import Timekeeper
from edge_detector.forward import wiring
from edge_detector.gateway import boards, http
from edge_detector.gateway.boards import Fleet
from edge_detector.gateway.compose import Gateway
from edge_detector.gateway.http import Address, Api
from edge_detector.gateway.intake import Intake, Policy
from edge_detector.gateway.limits import Rate
from edge_detector.gateway.link import Link
from edge_detector.gateway.live_view import Listener
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.mqtt import Subscriber, Topics
from edge_detector.gateway.reception import Options, Receipts, Reception
from edge_detector.gateway.results import Limits
from edge_detector.gateway.settings import GatewaySettings
from edge_detector.metrics import Metrics
from edge_detector.spool import Spool, Store

_TICK_S = 1.0

Channel = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What every channel of one run stands on."""

    settings: GatewaySettings
    fleet: Fleet
    clock: Clock
    health: Health
    metrics: GatewayMetrics


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Take results and fill the outbox until `stop` is set.

    Raises:
        Misconfigured: gateway.yml, a certificate, the outbox or a port cannot be used.
    """
    clock, registry = SystemClock(), CollectorRegistry()
    fleet = boards.read(settings.gateway_file)
    _check_ways_in(settings, fleet)
    parts = Parts(settings, fleet, clock, Health(clock), GatewayMetrics(registry))
    receipts = Receipts()
    forwarder = wiring.forwarder(settings, registry)
    told = [receipts.stored, *([forwarder.offer] if forwarder else [])]
    spool = Spool(
        storing.opened(Store(settings.outbox_path, *told), parts.health),
        capacity=settings.gateway_events_in_memory_max,
        health=parts.health,
        metrics=Metrics(registry),
    )
    reception = _reception(parts, spool, receipts)
    channels = _channels(parts, reception, stop)
    is_stored = asyncio.Event()
    await supervise(
        stop,
        admin.serve(
            admin.application(parts.health, registry),
            host=settings.admin_host,
            port=settings.admin_port,
            stop=stop,
        ),
        storing.run(spool, is_stored),
        *([forwarder.run(is_stored)] if forwarder else []),
        _receive(reception, channels, stop),
    )


def _check_ways_in(settings: GatewaySettings, fleet: Fleet) -> None:
    has_token = bool(settings.gateway_token.get_secret_value())
    if not (has_token or settings.gateway_mqtt_host or fleet.live_views):
        raise Misconfigured(
            "no way in: set MASKWATCH_GATEWAY_TOKEN for HTTP, MASKWATCH_GATEWAY_MQTT_HOST for MQTT,"
            " or live_views in the file that MASKWATCH_GATEWAY_FILE names"
        )
    if settings.gateway_unknown_boards == "refuse" and not fleet.boards:
        raise Misconfigured(
            "no board is known: name them in the file that MASKWATCH_GATEWAY_FILE names, or set"
            " MASKWATCH_GATEWAY_UNKNOWN_BOARDS=accept"
        )


def _reception(parts: Parts, spool: Spool, receipts: Receipts) -> Reception:
    settings = parts.settings
    device = Device(
        type="gateway", guid=settings.device_guid, enrolled_on=settings.device_deployed_on
    )
    policy = Policy(
        parts.fleet,
        accepts_unknown=settings.gateway_unknown_boards == "accept",
        boards_max=settings.gateway_boards_max,
        rate=Rate(settings.gateway_results_per_s, settings.gateway_results_burst),
    )
    intake = Intake(
        Gateway(device, uuid4()),
        policy,
        clock=parts.clock,
        metrics=parts.metrics,
        quality_at=Timekeeper(parts.clock).quality_at,
    )
    options = Options(
        Limits(settings.gateway_picture_bytes_max), settings.gateway_events_in_memory_max // 2
    )
    return Reception(intake, spool, receipts, metrics=parts.metrics, options=options)


def _channels(parts: Parts, reception: Reception, stop: asyncio.Event) -> list[Channel]:
    settings = parts.settings
    channels: list[Channel] = []
    if token := settings.gateway_token.get_secret_value():
        api = Api(reception, token=token, metrics=parts.metrics)
        address = Address(
            settings.gateway_host,
            settings.gateway_port,
            settings.gateway_cert_file,
            settings.gateway_key_file,
        )
        channels.append(http.serve(api.application(), address, stop=stop))
    if settings.gateway_mqtt_host:
        link = Link("mqtt", "mqtt", parts.health, parts.metrics)
        topics = Topics(settings.gateway_mqtt_result_topic, settings.gateway_mqtt_connect_topic)
        channels.append(Subscriber(_broker(settings), topics, reception, link).run(stop))
    for view in parts.fleet.live_views:
        link = Link(f"live_view {view.board}", "live_view", parts.health, parts.metrics)
        channels.append(Listener(view, reception, link, clock=parts.clock).run(stop))
    return channels


def _broker(settings: GatewaySettings) -> Broker:
    files = tls.Files(
        settings.gateway_mqtt_ca_file,
        settings.gateway_mqtt_cert_file,
        settings.gateway_mqtt_key_file,
    )
    context = None
    if settings.gateway_mqtt_tls:
        context = tls.client(files, setting="MASKWATCH_GATEWAY_MQTT")
    return Broker(
        settings.gateway_mqtt_host,
        settings.gateway_mqtt_port,
        # The same in every run: the broker keeps what came in between for this name.
        settings.gateway_mqtt_client_id or f"maskwatch-gateway-{settings.device_guid}",
        context,
        settings.gateway_mqtt_username,
        settings.gateway_mqtt_password,
    )


async def _receive(reception: Reception, channels: list[Channel], stop: asyncio.Event) -> None:
    try:
        await supervise(stop, _tick(reception, stop), *channels)
    finally:
        reception.close()


async def _tick(reception: Reception, stop: asyncio.Event) -> None:
    while not await retry.sleep_unless_stopped(_TICK_S, stop=stop):
        reception.tick()
