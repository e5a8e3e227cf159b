"""What docs/reliability.md says besides figures: of the originals, and what is not promised."""

# What is known of them from public reports; none of it was run here.
ORIGINALS = {
    "F7": "a refused delivery still sets `sent = 1`: lost",
    "F8": "a refused delivery still sets `sent = 1`: lost",
    "F10": "a refused delivery still sets `sent = 1`: lost",
    "F19": "ingress exits for good on garbage, and on an empty value",
    "F20": "ingress exits at the first bad message",
    "F21": "never closes a database connection: dies after 100 alerts",
    "F24": "rows are duplicated on restart",
    "F25": "rows are duplicated on restart",
    "F31": "ingress exits for good on an unknown device",
    "F38": "a repeated id is mailed twice",
}
NOT_PROMISED = """\
* **One possible second mail.** A notifier that dies, or whose connection breaks, between a mail's
  data and the server's answer cannot know whether the mail went out. It is sent once more with
  the same Message-ID, which mail programs fold into one: for a safety system a possible second
  mail is better than a possible missing one. `MASKWATCH_UNKNOWN_REPEATS=0` turns that round
  ([decision 1](adr/0001-at-least-once-with-one-effect-by-key.md)).
* **Exactly once on the topics.** A message may be on `alert-topic` or `to-notify-topic` more than
  once, each time with the same id; the archive and the ledger recognise it. Other consumers of
  the topics have to do the same.
* **What was never acknowledged.** An alert that the detector holds in memory while its disk fails
  is lost with the process; it is counted and logged. The promise begins when the outbox has
  answered.
* **Lost media.** A disk that loses what it has confirmed, or one whose only copy is destroyed,
  takes with it what is not yet further along.
"""
