import java.sql.DriverManager;
import java.sql.SQLException;

/** Connects, which is kept waiting, and runs statements, which are too. */
public class Waits {
  public static void main(String[] args) throws Exception {
    String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/shop-db?sslmode=prefer";
    try (var c = DriverManager.getConnection(url, System.getenv("PGUSER"), System.getenv("PGPASSWORD"))) {
      try (var s = c.createStatement(); var r = s.executeQuery("SELECT count(*) > 0 FROM orders")) {
        r.next();
        System.out.println("in " + r.getBoolean(1));
      }
      c.setAutoCommit(false);
      try (var p = c.prepareStatement("UPDATE orders SET cust = ?")) {
        p.setString(1, "mine");
        System.out.println("released " + (p.executeUpdate() > 0));
        c.rollback();
        p.setString(1, "again");
        p.executeUpdate();
      } catch (SQLException e) {
        System.out.println("refused " + e.getSQLState());
      }
    }
  }
}
