from maskwatch_runtime.kafka import topics
from maskwatch_runtime.kafka.topics import LETTER_BYTES_MAX, MESSAGE_BYTES_MAX


def test_every_topic_has_one_for_its_dead_letters_that_takes_the_largest_of_them() -> None:
    sizes = {topic.name: int(topic.configs["max.message.bytes"]) for topic in topics.TOPICS}
    live = {topics.ALERT, topics.NOTIFY, topics.DEVICE_EVENT, topics.NOTIFY_EVENT}

    assert len(sizes) == len(topics.TOPICS) == 2 * len(live)
    assert set(sizes) == live | {topics.dead_letters_of(name) for name in live}
    assert {sizes[name] for name in live} == {MESSAGE_BYTES_MAX}
    assert {sizes[topics.dead_letters_of(name)] for name in live} == {LETTER_BYTES_MAX}


def test_names_are_those_that_the_rest_of_the_world_knows() -> None:
    assert topics.dead_letters_of(topics.ALERT) == topics.ALERT_DEAD_LETTERS == "alert-topic.dlq"
    assert topics.dead_letters_of(topics.NOTIFY) == topics.NOTIFY_DEAD_LETTERS
    assert topics.dead_letters_of(topics.DEVICE_EVENT) == topics.DEVICE_EVENT_DEAD_LETTERS
    assert topics.dead_letters_of(topics.NOTIFY_EVENT) == topics.NOTIFY_EVENT_DEAD_LETTERS
