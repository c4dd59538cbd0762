"""Words of the way in."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "sign_in_title": ("Sign in", "登录"),
    "sign_in_key": ("Your key", "您的密钥"),
    "sign_in_hint": ("It begins with kw_ and was shown once when it was made.", "以 kw_ 开头，仅在创建时显示一次。"),
    "sign_in_do": ("Sign in", "登录"),
    "sign_in_lasts": ("You stay signed in for {hours} hours in this browser.", "在此浏览器中保持登录{hours}小时。"),
    "sign_in_lost": (
        "No key, or lost it? Whoever runs Keepwell makes one with: keepwell keys add NAME --role retention",
        "没有密钥或已遗失？请管理员运行：keepwell keys add 名称 --role retention",
    ),
    "sign_in_malformed": (
        "That is not a key, or it was not copied whole. A key begins with kw_ and has 52 characters.",
        "这不是密钥，或未完整复制。密钥以 kw_ 开头，共52个字符。",
    ),
    "sign_in_unknown": ("That key is not known here. Ask for one of this Keepwell.", "此处没有该密钥，请索取本系统的密钥。"),
    "sign_in_expired": ("That key expired on {when}. Ask for a new one.", "该密钥已于{when}过期，请索取新密钥。"),
    "sign_in_revoked": ("That key was revoked on {when}. Ask for a new one.", "该密钥已于{when}被撤销，请索取新密钥。"),
    "sign_in_too_many": (
        "Too many attempts that failed. Wait {seconds} seconds, then try again.",
        "失败次数过多，请等待{seconds}秒后重试。",
    ),
    "sign_in_http": (
        "This page was opened over http, where your key can be read on its way and a browser keeps no session. Open it over https, "
        "and ask for a new key.",
        "此页面通过 http 打开，密钥可能在途中被读取，浏览器也不会保持登录。请改用 https 打开，并索取新密钥。",
    ),
    "sign_in_no_ledger": (
        "The ledger, which knows the keys, cannot be reached. Try again in a minute.",
        "保存密钥的台账暂时无法访问，请稍后重试。",
    ),
}
