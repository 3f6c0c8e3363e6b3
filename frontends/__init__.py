"""Web frontends that execute the effects of ``pbproto`` over HTTP."""
