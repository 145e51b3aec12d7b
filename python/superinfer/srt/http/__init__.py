"""The HTTP surface: SLO carriers in, outcomes out, and a route that shows the state."""

from typing import Any

from superinfer.slo import SLOPolicy


def install(app: Any, policy: SLOPolicy, *, refuses: bool) -> None:
    """Add the middleware and the routes to SGLang's FastAPI ``app``, before it starts.

    SGLang adds its API-key check later and thereby outside of ours: requests are authorised before they are
    read, and our routes need the key, too.
    """
    from superinfer.srt.http.cache_routes import router as cache_router
    from superinfer.srt.http.middleware import SLOMiddleware
    from superinfer.srt.http.routes import router

    app.add_middleware(SLOMiddleware, policy=policy, refuses=refuses)
    app.include_router(router)
    app.include_router(cache_router)
