from collections.abc import AsyncIterator
import asyncpg
import pytest
from ingress.archive import Archive
from ingress.settings import IngressSettings
from maskwatch_runtime.postgres import Pool
from maskwatch_runtime.testing import FakeClock
import uuid, datetime
from maskwatch_proto.alert import *

def mk(n=40): return Alert(event_id=uuid.uuid4(), event_time=datetime.datetime.now(datetime.UTC), device=Device(type='rpi',guid='dev-1',enrolled_on='2026-01-01'),
  location=Location(longitude=2.,latitude=48.), face_model=Model(name='m',guid='g',threshold=.5), mask_model=Model(name='m',guid='g',threshold=.5), probability=.9,
  image=Image(format='jpg',width=640,height=480,data=b'x'*n), label=Label.NO_MASK, face_box=FaceBox(left=1,top=2,right=3,bottom=4), episode_id=uuid.uuid4(), camera='front', runtime='litert 2.3.0', boot_id='b', sequence=4, clock_quality=ClockQuality.SYNCHRONISED)

@pytest.fixture
async def archive(settings: IngressSettings) -> AsyncIterator[Archive]:
    pool = Pool(settings, size=3)
    yield Archive(pool, FakeClock())
    await pool.close()

async def test_smoke(archive: Archive, archive_database: asyncpg.Connection) -> None:
    a = [mk() for _ in range(5)]
    assert await archive.insert(a) == 5
    assert await archive.insert(a) == 0
    for t in ("alert","image","device","notification_request"):
        print(await archive_database.fetch(f"select * from {t}"))
    print(await archive_database.fetch("select * from alert_overview"))
