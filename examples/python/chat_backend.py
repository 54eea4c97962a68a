"""The backend of a page with chat widgets: vouches for the user who is signed in, with FastAPI. The page fetches
/chat/chatwoot and hands the fields to the vendor's widget; the keys never leave Countersign.

countersign dev                                          # in another terminal
pip install ../../sdk/python fastapi uvicorn
uvicorn chat_backend:app --port 8081
curl http://127.0.0.1:8081/chat/chatwoot
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Response

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
    """Whoever your session says is there. Never sign an id that came with the request: that vouches for anybody."""
    return Identity(id="user-42", email="ada@example.com", name="Ada")


@app.get("/chat/{vendor}")
async def chat(vendor: str, user: Annotated[Identity, Depends(signed_in_user)], response: Response) -> dict[str, Any]:
    if vendor not in WIDGETS:
        raise HTTPException(404)
    secret, scheme = WIDGETS[vendor]
    try:
        proof = await countersign.sign(secret, user)
    except CountersignError as error:
        raise HTTPException(503, "no proof can be made now") from error
    response.headers["cache-control"] = "no-store"  # the proof is of one user
    return widget_fields(scheme, user, proof)
