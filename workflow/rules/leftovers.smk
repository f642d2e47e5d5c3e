# Leftovers: results of runs, folds and studies that are not configured. Each call names them; a target
# removes them.

LEFTOVERS = [
    str(folder)
    for folder in leftovers(
        Path(RESULTS), PROTOCOLS, RUNS, STUDIES, len(FOLDS), config["seeds"]
    )
]

if LEFTOVERS and workflow.is_main_process:
    logger.warning(
        f"{len(LEFTOVERS)} folders of {RESULTS} belong to no configured run or study: "
        f"{', '.join(map(shown, LEFTOVERS[:5]))}{', ...' if len(LEFTOVERS) > 5 else ''}. Tables "
        "leave them out; to remove them, add a target to the same command: -- remove_leftovers"
    )


rule remove_leftovers:
    log:
        log_of("remove_leftovers"),
    conda:
        "../../envs/data.yaml"
    params:
        folders=literal(LEFTOVERS),
    message:
        "Remove {params.folders}"
    shell:
        "rm -rf -v -- {params.folders:q} > {log:q}"
