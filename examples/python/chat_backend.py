"""The backend of a page with chat widgets: vouches for the user who is signed in, with FastAPI.

`uvicorn chat_backend:app`, with the service in COUNTERSIGN_SERVER and COUNTERSIGN_TOKEN. The page fetches
/chat/chatwoot and hands the fields to the vendor's widget.
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException

from countersign import AsyncCountersign, CountersignError, Identity, widget_fields

# The secret of each vendor, and the scheme that says what its widget wants.
WIDGETS = {
    "chatwoot": ("demo/chatwoot-identity", "chatwoot.identity"),
    "pylon": ("demo/pylon-identity", "pylon.identity"),
    "kaltalk": ("demo/kaltalk-token", "kaltalk.token"),
    "talkjs": ("demo/talkjs-token", "talkjs.token"),
}

app = FastAPI()
countersign = AsyncCountersign()


def signed_in_user() -> Identity:
    """Of your session, never of what the browser sends along."""
    return Identity(id="user-42", email="ada@example.com", name="Ada")


@app.get("/chat/{vendor}")
async def chat(vendor: str, user: Annotated[Identity, Depends(signed_in_user)]) -> dict[str, Any]:
    if vendor not in WIDGETS:
        raise HTTPException(404)
    secret, scheme = WIDGETS[vendor]
    try:
        proof = await countersign.sign(secret, user)
    except CountersignError as error:
        raise HTTPException(503, "no proof can be made now") from error
    return widget_fields(scheme, user, proof)
