"""Members of a consumer group that are dead, taken out before the broker notices by itself."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DescribeGroupsRequest, DescribeGroupsRequest_v2
from aiokafka.protocol.group import LeaveGroupRequest


class _Describe(DescribeGroupsRequest):  # type: ignore[misc]  # aiokafka's protocol has no types
    """Of version 2: aiokafka 0.14 asks in version 3 and reads the answer as one of version 2."""

    _CLASSES = (DescribeGroupsRequest_v2,)


async def dismiss(bootstrap: str, *groups: str) -> int:
    """Say in the name of every member of these groups that it leaves, and return how many did.

    The broker gives up a killed member after its session timeout of 10 s: a case that kills often
    need not wait for it each time.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return sum([await _dismiss(admin, group) for group in groups])
    finally:
        await admin.close()


async def _dismiss(admin: AIOKafkaAdminClient, group: str) -> int:
    coordinator = await admin.find_coordinator(group)
    answer = await admin._send_request(_Describe([group]), coordinator)  # noqa: SLF001 - no other way
    members = [member[0] for described in answer.groups for member in described[5]]
    for member in members:
        await admin._send_request(LeaveGroupRequest(group, member), coordinator)  # noqa: SLF001
    return len(members)
