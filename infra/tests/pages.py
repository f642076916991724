def generated(plans):
    return []
