"""Tocsin's pipeline, in the order a post travels through it.

1. ``collect``     reads each source back to its watermark and lands raw batches; what it could not read is a gap.
2. ``normalise``   makes one clean mention of a raw record: text, language, fold, own account, tagged or not.
3. ``score``       says how a mention feels, what it is, how urgent, how dangerous, and why.
4. ``prioritise``  turns scores into the expected cost of waiting, a deadline, P1..P4 and one line that explains.
5. ``index``       writes mentions and the ticket of each conversation, once, however often it is run.
6. ``detect``      opens an incident for a spike, or for a single post that is grave enough.
7. ``escalate``    decides who is told what and why, and records every notice before and after it is sent.
8. ``respond``     lets people claim, answer, hand over, resolve and undo.
9. ``learn``       turns people's corrections into labels and labels into better models.

``flows`` composes the stages, ``app`` gives them their adapters; both are the next thing to read.
"""
