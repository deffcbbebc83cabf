# The migrations are compiled in: the plugin needs no file at run time.
file(GLOB migration_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/registry/sql/*.sql)
set(migration_source ${CMAKE_CURRENT_BINARY_DIR}/recorder_migrations.c)
add_custom_command(OUTPUT ${migration_source}
  COMMAND ${CMAKE_COMMAND} -DSQL_DIR=${CMAKE_SOURCE_DIR}/registry/sql -DOUTPUT=${migration_source} -P ${CMAKE_SOURCE_DIR}/cmake/embed_sql.cmake
  DEPENDS ${migration_scripts} ${CMAKE_SOURCE_DIR}/cmake/embed_sql.cmake)
set_source_files_properties(${migration_source} PROPERTIES INCLUDE_DIRECTORIES ${entry})
list(APPEND sources ${migration_source})
