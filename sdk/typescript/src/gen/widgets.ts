// Generated from sdk/widgets.json. Do not edit.

export const widgets: Record<string, { fields: object; [about: string]: unknown }> = {
  "canny.token": {
    "call": "Canny('render', {boardToken, ...fields})",
    "fields": {"ssoToken": "{token}"},
    "source": "developers.canny.io/install/widget/sso"
  },
  "chatbase.identity": {
    "call": "chatbase('identify', fields)",
    "fields": {
      "user_id": "{id}",
      "user_hash": "{hash}",
      "user_metadata": {"name": "{name}", "email": "{email}"}
    },
    "source": "chatbase.co/docs/developer-guides/identity-verification"
  },
  "chatwoot.identity": {
    "call": "const {identifier, ...user} = fields; $chatwoot.setUser(identifier, user)",
    "fields": {"identifier": "{id}", "name": "{name}", "email": "{email}", "identifier_hash": "{hash}"},
    "source": "Chatwoot: Identity validation in Chatwoot"
  },
  "crisp.identity": {
    "call": "for (const [key, value] of Object.entries(fields)) $crisp.push(['set', key, value])",
    "fields": {"user:email": ["{email}", "{hash}"], "user:nickname": ["{name}"]},
    "source": "docs.crisp.chat/guides/chatbox-sdks/web-sdk/identity-verification"
  },
  "customerly.identity": {
    "call": "customerly.load({app_id, ...fields})",
    "fields": {"user_id": "{id}", "name": "{name}", "email": "{email}", "email_hash": "{hash}"},
    "source": "docs.customerly.io: Live chat, Setting up identity verification"
  },
  "drift.token": {
    "call": "drift.identify(fields.userId, fields.attributes, fields.options)",
    "fields": {
      "userId": "{id}",
      "attributes": {"email": "{email}", "name": "{name}"},
      "options": {"userJwt": "{token}"}
    },
    "note": "The names userId, attributes and options are those of the arguments here, not the vendor's.",
    "source": "devdocs.drift.com/docs/securing-drift-on-your-site-using-signed-identities"
  },
  "eixam.identity": {
    "call": "setSession({appId, ...fields})",
    "fields": {"externalUserId": "{id}", "userHash": "{hash}"},
    "source": "sdk.eixam.io/core-concepts, sdk.eixam.io/js-signing"
  },
  "featurebase.identity": {
    "call": "Featurebase('identify', {organization, ...fields})",
    "fields": {"userId": "{id}", "email": "{email}", "name": "{name}", "userHash": "{hash}"},
    "source": "help.featurebase.app/articles/4543540-set-up-identity-verification, …/2113866-troubleshooting-identity-verification"
  },
  "front.identity": {
    "call": "FrontChat('identity', fields)",
    "fields": {"email": "{email}", "name": "{name}", "userHash": "{hash}"},
    "note": "For a hash of the email: sign an identity without an id. How the field of a user id is called is not confirmed.",
    "source": "dev.frontapp.com/docs/identify-users, dev.frontapp.com/docs/chat-sdk-reference"
  },
  "gainsight.identity": {
    "call": "aptrinsic('identify', fields, account)",
    "fields": {"id": "{id}", "email": "{email}", "userHash": "{hash}"},
    "note": "The vendor has a first and a last name, so the name is left out.",
    "source": "support.gainsight.com/PX/Security/Enablement/Identity_HMAC_Verification_(SHA256)"
  },
  "helpscout.identity": {
    "call": "Beacon('identify', fields)",
    "fields": {"name": "{name}", "email": "{email}", "signature": "{hash}"},
    "source": "developer.helpscout.com/beacon-2/web/secure-mode"
  },
  "huggy.token": {
    "call": "window.huggyData = fields",
    "fields": {"userIdentifier": "{id}", "userHash": "{token}"},
    "note": "That the token goes by the name userHash is known from the vendor's help page and an integrator's code.",
    "source": "help.huggy.io/chat-online/autenticacao-do-huggy-chat; lucaspsantana/AuthenticationHuggyChat"
  },
  "intercom.identity": {
    "call": "Intercom('boot', {app_id, ...fields})",
    "fields": {"user_id": "{id}", "email": "{email}", "name": "{name}", "user_hash": "{hash}"},
    "source": "developers.intercom.com: Identity verification"
  },
  "intercom.token": {
    "call": "Intercom('boot', {app_id, ...fields})",
    "fields": {"intercom_user_jwt": "{token}"},
    "note": "What the token says must not stand beside it in plain, so the id and the email are left out.",
    "source": "developers.intercom.com: Identity verification; intercom/intercom-rails lib/intercom-rails/script_tag.rb"
  },
  "kaltalk.token": {
    "call": "KalTalk.init({organizationId, ...fields})",
    "fields": {"userJwt": "{token}"},
    "source": "KalTalk: Security / Identity verification"
  },
  "pipeback.identity": {
    "call": "window.$pipeback = {user: fields}",
    "fields": {"id": "{id}", "name": "{name}", "email": "{email}", "signature": "{hash}"},
    "source": "help.pipeback.com/en-US/articles/identity-verification"
  },
  "plain.identity": {
    "call": "Plain.init({appId, customerDetails: fields})",
    "fields": {"email": "{email}", "emailHash": "{hash}", "fullName": "{name}"},
    "source": "plain.com/docs/chat/authentication"
  },
  "pylon.identity": {
    "call": "window.pylon = {chat_settings: {app_id, ...fields}}",
    "fields": {"email": "{email}", "name": "{name}", "email_hash": "{hash}"},
    "source": "docs.usepylon.com/pylon-docs/chat-widget/identity-verification"
  },
  "stream.token": {
    "call": "client.connectUser(fields.user, fields.token)",
    "fields": {"user": {"id": "{id}", "name": "{name}"}, "token": "{token}"},
    "note": "The names user and token are those of the arguments.",
    "source": "GetStream/stream-chat-js src/client.ts"
  },
  "talkjs.token": {
    "call": "new Talk.Session({appId, me, ...fields})",
    "fields": {"token": "{token}"},
    "source": "talkjs.com/docs/Features/Security_Settings/Authentication"
  },
  "talkjs.user-hash": {
    "call": "new Talk.Session({appId, me, ...fields})",
    "fields": {"signature": "{hash}"},
    "note": "Deprecated by the vendor: talkjs.token takes its place.",
    "source": "talkjs.com/docs/Features/Identity_Verification.html"
  },
  "tawk.identity": {
    "call": "Tawk_API.login(fields, callback)",
    "fields": {"userId": "{id}", "name": "{name}", "email": "{email}", "hash": "{hash}"},
    "note": "The older API hashes the email address and sends no userId: sign an identity without an id for it.",
    "source": "help.tawk.to/article/how-to-set-up-logins-with-a-hash-using-javascript-api"
  },
  "userjot.identity": {
    "call": "uj.identify(fields)",
    "fields": {"id": "{id}", "email": "{email}", "signature": "{hash}"},
    "note": "The vendor has a first and a last name, so the name is left out.",
    "source": "userjot.com/help/widget-sdk/widget-user-identification"
  },
  "zendesk.token": {
    "call": "zE('messenger', 'loginUser', callback => callback(fields.jwt))",
    "fields": {"jwt": "{token}"},
    "note": "The widget takes the bare token; the name jwt is given here.",
    "source": "developer.zendesk.com/api-reference/widget-messaging/web/authentication"
  }
}
