"""The Celery application. Start it with ``celery -A winnow worker``, or let ``winnow up`` do so.

The database row of a job is the truth and a message only wakes a worker up (see :mod:`winnow.jobs`), so a lost or
doubled message costs nothing.
"""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "winnow.settings")

from django.conf import settings

from winnow.processes import die_with_parent

app = Celery("winnow")
app.conf.update(
    broker_url=settings.BROKER_URL,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_concurrency=2,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 6 * 3600,  # above the longest job
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
    timezone="UTC",
    beat_schedule={
        "compact the inbox": {"task": "winnow.jobs.compact", "schedule": 15.0},
        "resume what a killed worker left": {"task": "winnow.jobs.resume", "schedule": 10.0},
        "refresh running experiments": {"task": "winnow.jobs.refresh", "schedule": 15 * 60.0},
        # asked for every hour, done every week: the scheduler keeps no state, and may have been off for a while
        "check the statistics": {"task": "winnow.jobs.calibrate", "schedule": 3600.0},
        "renew profiles": {"task": "winnow.jobs.profile", "schedule": 60.0},
    },
)
app.autodiscover_tasks(["winnow.jobs"])


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A pool process must not go on, and hold a job's lock, when its worker was killed."""
    die_with_parent()
