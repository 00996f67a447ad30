"""The studio: a local web page that is a music stand which listens.

    safety      who may talk to us: Host, Origin, token, what a page may load
    jobs        heavy or risky work (parsing, engraving, rendering) in a process of its own, with limits
    worker      that process
    library     the shipped pieces and the user's own
    rehearsal   the engine in a thread of its own, on a wall clock
    ears        who listens: a port, a microphone, nobody
    booth       the browser as microphone and loudspeaker: who is in it, and what is said (``audio_socket``)
    two_clocks  another machine's clock in terms of ours
    browser_microphone, browser_sound    the booth as a soloist's ear, and as an orchestra's instrument
    preferences soloists' profiles and what the studio remembers of its players (``settings_api``, ``meter``)
    feed        what the engine made, for pages that may be slow: a queue that drops
    review      a take looked at afterwards; ``placed`` note by note, ``learnt`` what memory made of it
    app         the addresses of the server
    serve       the server itself

Starlette, uvicorn and Verovio are in the extra ``studio`` and imported only here.
"""
