"""The studio: a local web page that is a music stand which listens.

    safety      who may talk to us: Host, Origin, token, what a page may load
    jobs        heavy or risky work (parsing, engraving, rendering) in a process of its own, with limits
    worker      that process
    library     the shipped pieces and the user's own
    rehearsal   the engine in a thread of its own, on a wall clock
    feed        what the engine made, for pages that may be slow: a queue that drops
    review      a take looked at afterwards
    app         the addresses of the server
    serve       the server itself

Starlette, uvicorn and Verovio are in the extra ``studio`` and imported only here.
"""
