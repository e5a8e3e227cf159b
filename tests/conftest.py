from hypothesis import HealthCheck, settings

pytest_plugins = ["devstack.pytest_plugin"]

# Two busy cores: a slow example says nothing about the code.
settings.register_profile(
    "maskwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("maskwatch")
