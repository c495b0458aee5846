"""Brings the release that the bureau wants onto this box: fetched gently, checked, and handed to the installer."""
