"""The OpenAPI text, by a program that believes every word of it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as hypothesis_given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.integration.edge_detector.web.conftest import TOKEN, Serve, Served

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
_BOUNDED = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.fixture
def running(serve: Serve) -> Iterator[Served]:
    """A server in a thread of its own: the program that asks is not asynchronous."""
    started: list[Served] = []
    is_up, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve() as served:
            started.append(served)
            is_up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert is_up.wait(30)
    yield started[0]
    over.set()
    thread.join(30)


@pytest.mark.parametrize("path", ["/v1/predict", "/predict/"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_declared_whatever_is_sent(
    path: str, mode: GenerationMode, running: Served
) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    text = httpx.get(f"{running.url}/openapi.json", headers=bearer).json()
    operation = schemathesis.openapi.from_dict(text)[path]["POST"]
    statuses: set[int] = set()

    @_BOUNDED
    @hypothesis_given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=running.url, headers=bearer)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=_CHECKS)

    ask()

    assert statuses
    assert max(statuses) < 500
