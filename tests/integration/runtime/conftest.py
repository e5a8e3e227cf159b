import pytest
from devstack.kafka import Topic, create_topics

from tests.integration.runtime.consumer_group import Group


@pytest.fixture
async def group(kafka: str) -> Group:
    group = Group(kafka)
    await create_topics(kafka, [Topic(name=group.topic, partitions=2), Topic(name=group.letters)])
    return group
