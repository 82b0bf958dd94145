"""Registers the agents with Flyte when it is imported: the entry point of the group `flytekit.plugins`.

flytekit loads the group's entry points at the end of its own import, one after the other and without a net: a
plugin that raises takes `import flytekit` down, and with it every task of the image. So nothing here raises.

flytekitplugins-spark registers for the same task types, and its registration raises if it finds them taken.
Which of the two is loaded first is chance. So its module is imported here first, and then overridden.
"""

from __future__ import annotations

import importlib
import logging
import os

from dbx_agent.errors import ConfigurationError
from dbx_agent.settings import read_task_types

logger = logging.getLogger("flytekit.dbx_agent")

__all__ = ["register"]


def register() -> None:
    """Make our agents serve the task types that the deployment claims; repeatable.

    An agent of ours that is already registered stays, with its settings. A type that is not claimed is left to
    whoever serves it.

    Raises:
        ConfigurationError: If DBX_AGENT_TASK_TYPES is wrong; nothing is registered then.
    """
    from dbx_agent.claims import make_agents
    from dbx_agent.compat import RIVAL_MODULES, owns, take_over

    for name in RIVAL_MODULES:
        _import_rival(name)
    agents = [agent for agent in make_agents(read_task_types(os.environ)) if not owns(agent)]
    take_over(agents, task_types=[agent.task_type for agent in agents])


def _import_rival(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The plugin is not installed, or its release does not have this module. Anything else missing is its
        # trouble.
        if error.name is None or not name.startswith(error.name):
            logger.warning("%s could not be imported beside dbx_agent: %s", name, error)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it must not take flytekit down
        logger.warning("%s could not be imported beside dbx_agent: %s", name, error)


try:
    register()
except (ConfigurationError, ImportError) as error:
    logger.error("dbx_agent could not register its agents; Flyte works on without them: %s", error)  # noqa: TRY400 - the message says it all
except Exception:
    logger.exception("dbx_agent could not register its agents; Flyte works on without them")
