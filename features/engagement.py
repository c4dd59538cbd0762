"""How much of the platform a merchant uses: logins, people, roles, functions, contracts and how it was won."""

from features.declare import feature
from features.verbs import Column, Events


@feature(unit="count", reason=("logins in the last {days} days", "近{days}天登录次数"), days=(7, 28, 90))
def logins(logins: Events, *, days: int) -> Column:
    """Logins in the last {days} days."""
    return logins.last(days=days).count()


@feature(unit="share", reason=("change of logins over 28 days", "近28天登录变化"))
def logins_change_28d(logins: Events) -> Column:
    """Change of logins, the last 28 days against the 28 before."""
    return logins.last(days=28).count().change_from(logins.last(days=28, skip=28).count())


@feature(unit="days", reason=("days with a login in the last 28 days", "近28天登录天数"))
def login_days_28d(logins: Events) -> Column:
    """Days with a login in the last 28 days."""
    return logins.last(days=28).distinct("day")


@feature(unit="days", reason=("days since the last login", "距最近登录天数"))
def days_since_last_login(logins: Events) -> Column:
    """Days since the last login; missing without one."""
    return logins.days_since_last()


@feature(unit="count", reason=("active users in the last {days} days", "近{days}天活跃用户数"), days=(28, 90))
def active_users(logins: Events, *, days: int) -> Column:
    """Different users who logged in in the last {days} days."""
    return logins.last(days=days).distinct("user_id")


@feature(unit="share", reason=("change of active users over 28 days", "近28天活跃用户变化"))
def active_users_change_28d(logins: Events) -> Column:
    """Change of active users, the last 28 days against the 28 before."""
    return logins.last(days=28).distinct("user_id").change_from(logins.last(days=28, skip=28).distinct("user_id"))


@feature(unit="count", reason=("roles that logged in in the last 90 days", "近90天活跃角色数"))
def roles_90d(logins: Events) -> Column:
    """Different roles that logged in in the last 90 days."""
    return logins.last(days=90).distinct("role")


@feature(unit="count", reason=("functions used in the last {days} days", "近{days}天使用的功能数"), days=(28, 90))
def functions(logins: Events, *, days: int) -> Column:
    """Breadth of use: different product functions used in the last {days} days."""
    return logins.last(days=days).distinct("function")


@feature(unit="share", reason=("change of functions used over 28 days", "近28天使用功能数变化"))
def functions_change_28d(logins: Events) -> Column:
    """Change of different functions used, the last 28 days against the 28 before."""
    return logins.last(days=28).distinct("function").change_from(logins.last(days=28, skip=28).distinct("function"))


@feature(unit="days", reason=("days until the contract ends", "距合同到期天数"))
def contract_days_left(contracts: Events) -> Column:
    """Days until the latest end of a contract begun before the cutoff; negative when it has passed."""
    return contracts.days_until("ends")


@feature(unit="currency", reason=("value of contracts begun in the last 365 days", "近365天新签合同金额"))
def contract_value_365d(contracts: Events) -> Column:
    """Value of the contracts begun in the last 365 days."""
    return contracts.last(days=365).total("value")


@feature(unit="count", reason=("contracts cancelled", "已取消合同数"))
def contracts_cancelled(cancellations: Events) -> Column:
    """Contracts cancelled before the cutoff."""
    return cancellations.count()


@feature(unit="days", reason=("days since the first contact", "距首次接触天数"))
def days_since_first_contact(leads: Events) -> Column:
    """Days since sales first contacted the merchant; missing when it came by itself."""
    return leads.days_since_first()
